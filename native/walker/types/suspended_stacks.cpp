// Stacks that a library with coroutines of its own (greenlet, and gevent on it) has put aside: frames that no thread
// runs, in memory of the interpreter. 3.11 and later; before, frames are objects.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxFrames = 1 << 20;  // of one stack
constexpr u64 kMaxChunks = 1 << 16;
constexpr i64 kMaxSlots = 1 << 20;
constexpr u64 kPage = 4096;

// _PyStackChunk (Include/cpython/pystate.h): the one before, its size, words in use when the next was begun. The very
// first word of a stack is left out, so that it never looks empty.
constexpr i64 kChunkPrevious = 0, kChunkSize = 8, kChunkTop = 16;
constexpr u64 kChunkHead = 24;

}  // namespace

void HeapReader::set_running_frames(const u64* frames, u64 count) { running_frames_.insert(frames, frames + count); }

// Bytes that a frame takes of its chunk; 0 when there is none at this address.
u64 HeapReader::stack_frame_bytes(u64 frame) {
  const View view = memory_.view(frame, layout_.if_localsplus);
  u64 code = view.word(layout_.if_code);
  if (layout_.at_least(14)) code &= ~u64{3};
  const TypeInfo* type = type_of(code);
  const View code_view = memory_.view(code, layout_.code_size);
  if (!view || !code_view || type == nullptr || !type->reader->is("code")) return 0;
  if (view.byte(layout_.if_owner) != kOwnedByThread) return 0;
  const i64 slots = i64{code_view.read<i32>(layout_.code_nlocalsplus)} + code_view.read<i32>(layout_.code_stacksize);
  return slots < 0 || slots > kMaxSlots ? 0 : layout_.if_localsplus + slots * 8;
}

// The frames of a stack by its last chunk and the end of its last frame, the outermost first. They lie one behind the
// other; their links are no use, since some lead to the C stack, which others use by now.
std::vector<u64> HeapReader::stack_frames(u64 last_chunk, u64 top) {
  std::vector<u64> chunks, frames;
  for (u64 chunk = last_chunk; chunk != 0 && chunks.size() < kMaxChunks; chunk = memory_.word(chunk + kChunkPrevious)) {
    chunks.push_back(chunk);
  }
  std::reverse(chunks.begin(), chunks.end());
  for (const u64 chunk : chunks) {
    const u64 end = chunk == last_chunk ? top : chunk + kChunkHead + memory_.word(chunk + kChunkTop) * 8;
    u64 at = chunk + kChunkHead + (chunk == chunks.front() ? 8 : 0);
    while (at < end && frames.size() < kMaxFrames) {
      const u64 bytes = stack_frame_bytes(at);
      if (bytes == 0) break;
      frames.push_back(at);
      at += bytes;
    }
  }
  return frames;
}

// Three words of the library's state tell of a stack: its last chunk, where that is free, and where it ends. They are
// out of date while a thread runs the stack.
void HeapReader::suspended_stack(View state, EdgeList& out) {
  for (u64 at = 0; at + 24 <= state.size(); at += 8) {
    const u64 chunk = state.word(at), top = state.word(at + 8), end = state.word(at + 16);
    if (chunk == 0 || chunk % kPage != 0 || top <= chunk + kChunkHead || top > end) continue;
    const View head = memory_.view(chunk, kChunkHead);
    if (!head || head.word(kChunkSize) != end - chunk || head.word(kChunkPrevious) % kPage != 0) continue;
    const std::vector<u64> frames = stack_frames(chunk, top);
    for (const u64 frame : frames) {
      if (running_frames_.count(frame)) return;
    }
    for (const u64 frame : frames) {
      const u64 object = memory_.word(frame + layout_.if_frame_object);
      if (object != 0) out.add(object, EdgeKind::kField, types_.names().row("gr_frame"), 0);
      if (object == 0) frame_words(frame, kCounted, out);
    }
    return;
  }
}

}  // namespace heapgraph
