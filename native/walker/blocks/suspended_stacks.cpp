#include "walker/blocks/suspended_stacks.hpp"

#include <algorithm>

#include "walker/types/builtins/frames.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxFrames = 1 << 20;  // of one stack
constexpr u64 kMaxChunks = 1 << 16;
constexpr u64 kPage = 4096;

// _PyStackChunk (Include/cpython/pystate.h): the one before, its size, words in use when the next was begun. The very
// first word of a stack is left out, so that it never looks empty.
constexpr i64 kChunkPrevious = 0, kChunkSize = 8, kChunkTop = 16;
constexpr u64 kChunkHead = 24;

// Bytes that a frame takes of its chunk; 0 when there is none at this address.
u64 stack_frame_bytes(HeapReader& reader, u64 frame) {
  const Layout& layout = reader.layout();
  const View view = reader.memory().view(frame, layout.if_localsplus);
  const u64 code = object_of(layout, view.word(layout.if_code));
  const TypeInfo* type = reader.type_of(code);
  if (!view || type == nullptr || !type->reader->is("code") || view.byte(layout.if_owner) != kOwnedByThread) return 0;
  const FrameSlots slots = frame_slots(reader, code);
  return slots.is_sound ? layout.if_localsplus + slots.all() * 8 : 0;
}

// The frames of a stack by its last chunk and the end of its last frame, the outermost first. They lie one behind the
// other; their links are no use, since some lead to the C stack, which others use by now.
std::vector<u64> stack_frames(HeapReader& reader, u64 last_chunk, u64 top) {
  MemoryImage& memory = reader.memory();
  std::vector<u64> chunks, frames;
  for (u64 chunk = last_chunk; chunk != 0 && chunks.size() < kMaxChunks; chunk = memory.word(chunk + kChunkPrevious)) {
    chunks.push_back(chunk);
  }
  std::reverse(chunks.begin(), chunks.end());
  for (const u64 chunk : chunks) {
    const u64 end = chunk == last_chunk ? top : chunk + kChunkHead + memory.word(chunk + kChunkTop) * 8;
    u64 at = chunk + kChunkHead + (chunk == chunks.front() ? 8 : 0);
    while (at < end && frames.size() < kMaxFrames) {
      const u64 bytes = stack_frame_bytes(reader, at);
      if (bytes == 0) break;
      frames.push_back(at);
      at += bytes;
    }
  }
  return frames;
}

}  // namespace

// Three words of the library's state tell of a stack: its last chunk, where that is free, and where it ends. They are
// out of date while a thread runs the stack.
void add_suspended_stack(HeapReader& reader, View state, EdgeList& out) {
  MemoryImage& memory = reader.memory();
  for (u64 at = 0; at + 24 <= state.size(); at += 8) {
    const u64 chunk = state.word(at), top = state.word(at + 8), end = state.word(at + 16);
    if (chunk == 0 || chunk % kPage != 0 || top <= chunk + kChunkHead || top > end) continue;
    const View head = memory.view(chunk, kChunkHead);
    if (!head || head.word(kChunkSize) != end - chunk || head.word(kChunkPrevious) % kPage != 0) continue;
    const std::vector<u64> frames = stack_frames(reader, chunk, top);
    for (const u64 frame : frames) {
      if (reader.is_running(frame)) return;
    }
    for (const u64 frame : frames) {
      const u64 object = memory.word(frame + reader.layout().if_frame_object);
      if (object != 0) out.add(object, EdgeKind::kField, reader.name("gr_frame"), 0);
      if (object == 0) add_frame(reader, frame, kCounted, out);
    }
    return;
  }
}

}  // namespace heapgraph
