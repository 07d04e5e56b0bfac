// Stacks that a library with coroutines of its own (greenlet, and gevent on it) has put aside: frames that no thread
// runs, in memory of the interpreter. 3.11 and later; before, frames are objects.
#include <algorithm>

#include "heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u8 kOwnedByThread = 0;  // if.owner
constexpr u64 kMaxFrames = 10000;  // of one stack, as of a thread's
constexpr u64 kMaxChunks = 1000;
constexpr i64 kMaxSlots = 1 << 20;
constexpr u64 kPage = 4096;

// _PyStackChunk (Include/cpython/pystate.h): the one before, its size, words in use when the next was begun. The very
// first word of a stack is left out, so that it never looks empty.
constexpr i64 kChunkPrevious = 0, kChunkSize = 8, kChunkTop = 16;
constexpr u64 kChunkHead = 24, kSmallestChunk = 1 << 14;
constexpr u64 kPagesSearched = 256;  // larger chunks are for frames with very many variables

}  // namespace

void HeapReader::set_running_frames(const u64* frames, u64 count) { running_frames_.insert(frames, frames + count); }

// Start of the chunk that this frame lies in, which begins a page; 0 for none.
u64 HeapReader::stack_chunk(u64 frame) {
  u64 page = frame & ~(kPage - 1);
  for (u64 i = 0; i < kPagesSearched && page != 0; ++i, page -= kPage) {
    const View head = memory_.view(page, kChunkHead);
    if (!head) return 0;
    const u64 size = head.word(kChunkSize), previous = head.word(kChunkPrevious);
    const bool is_size = size >= kSmallestChunk && (size & (size - 1)) == 0;
    if (is_size && previous % kPage == 0 && head.word(kChunkTop) <= size / 8 && frame - page < size) return page;
  }
  return 0;
}

// Bytes that a frame takes of its chunk; 0 when there is none at this address.
u64 HeapReader::stack_frame_bytes(u64 frame) {
  const View view = memory_.view(frame, layout_.if_localsplus);
  u64 code = view.word(layout_.if_code);
  if (layout_.at_least(14)) code &= ~u64{3};
  const TypeInfo* type = types_.find(memory_.word(code + layout_.type));
  const View code_view = memory_.view(code, layout_.code_size);
  if (!view || !code_view || type == nullptr || type->handler != Handler::kCode) return 0;
  if (view.byte(layout_.if_owner) != kOwnedByThread) return 0;
  const i64 slots = i64{code_view.read<i32>(layout_.code_nlocalsplus)} + code_view.read<i32>(layout_.code_stacksize);
  return slots < 0 || slots > kMaxSlots ? 0 : layout_.if_localsplus + slots * 8;
}

// All frames up to this one, the outermost first. They lie one behind the other; their links are no use, since some
// lead to the C stack, which others use by now.
std::vector<u64> HeapReader::stack_frames(u64 frame) {
  std::vector<u64> chunks, frames;
  for (u64 chunk = stack_chunk(frame); chunk != 0; chunk = memory_.word(chunk + kChunkPrevious)) {
    if (chunks.size() == kMaxChunks) return {frame};
    chunks.push_back(chunk);
  }
  std::reverse(chunks.begin(), chunks.end());
  for (const u64 chunk : chunks) {
    const bool is_last = chunk == chunks.back();
    u64 at = chunk + kChunkHead + (chunk == chunks.front() ? 8 : 0);
    const u64 end = is_last ? frame : chunk + kChunkHead + memory_.word(chunk + kChunkTop) * 8;
    while (at < end) {
      const u64 bytes = stack_frame_bytes(at);
      if (bytes == 0 || frames.size() == kMaxFrames) return {frame};
      frames.push_back(at);
      at += bytes;
    }
    if (at != end) return {frame};
  }
  frames.push_back(frame);
  return frames;
}

// A frame object stands for its frame, and for those that called it and have no object.
void HeapReader::suspended_frames(u64 frame, EdgeList& out) {
  const std::vector<u64> frames = stack_frames(frame);
  frame_words(frame, kCounted, out);
  for (u64 i = frames.size() - 1; i-- > 0;) {
    if (const u64 object = memory_.word(frames[i] + layout_.if_frame_object)) {
      return out.add(object, EdgeKind::kField, types_.names().row("f_back"), 0);
    }
    frame_words(frames[i], kCounted, out);
  }
}

}  // namespace heapgraph
