#include "walker/blocks/suspended_stacks.hpp"

#include <algorithm>

#include "walker/image/processor.hpp"
#include "walker/types/builtins/frames.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxFrames = 1 << 20;  // of one stack
constexpr u64 kMaxChunks = 1 << 16;

// Bytes that a frame takes of its chunk; 0 when there is none at this address.
u64 stack_frame_bytes(HeapReader &reader, u64 frame) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(frame, layout.if_localsplus);
    const u64 code = object_of(layout, view.u64_at(layout.if_code));
    const TypeInfo *type = reader.type_of(code);
    if (!view || type == nullptr || !type->reader->is("code") ||
        view.read<i8>(layout.if_owner) != kOwnedByThread)
        return 0;
    const FrameSlots slots = frame_slots(reader, code);
    return slots.is_sound ? layout.if_localsplus + slots.all() * 8 : 0;
}

// The frames of a stack by its last chunk and the end of its last frame, the outermost first. The
// interpreter leaves the very first word of a stack free, so that it never looks empty. Frames
// follow one another; their links are not used, since some lead to the C stack, which others use by
// now.
std::vector<u64> stack_frames(HeapReader &reader, u64 last_chunk, u64 top) {
    const Layout &layout = reader.layout();
    MemoryImage &memory = reader.memory();
    std::vector<u64> chunks, frames;
    for (u64 chunk = last_chunk; chunk != 0 && chunks.size() < kMaxChunks;) {
        chunks.push_back(chunk);
        chunk = memory.u64_at(chunk + layout.chunk_previous);
    }
    std::reverse(chunks.begin(), chunks.end());
    for (const u64 chunk : chunks) {
        const u64 begin = chunk + layout.chunk_data;
        const u64 end =
            chunk == last_chunk ? top : begin + memory.u64_at(chunk + layout.chunk_top) * 8;
        u64 at = begin + (chunk == chunks.front() ? 8 : 0);
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

// Three words of the library's state tell of a stack: its last chunk, where that is free, and where
// it ends. They are out of date while a thread runs the stack.
void add_suspended_stack(HeapReader &reader, View state, EdgeList &out) {
    const Layout &layout = reader.layout();
    MemoryImage &memory = reader.memory();
    if (!present(layout.chunk_data)) return;
    for (u64 at = 0; at + 24 <= state.size(); at += 8) {
        const u64 chunk = state.u64_at(at), top = state.u64_at(at + 8), end = state.u64_at(at + 16);
        if (chunk == 0 || chunk % kPage != 0 || top <= chunk + layout.chunk_data || top > end)
            continue;
        const View head = memory.view(chunk, layout.chunk_data);
        if (!head || head.u64_at(layout.chunk_size) != end - chunk ||
            head.u64_at(layout.chunk_previous) % kPage != 0)
            continue;
        const std::vector<u64> frames = stack_frames(reader, chunk, top);
        for (const u64 frame : frames) {
            if (reader.is_running(frame)) return;
        }
        for (const u64 frame : frames) {
            const u64 object = memory.u64_at(frame + layout.if_frame_object);
            if (object != 0) out.add(object, EdgeKind::kField, reader.name("gr_frame"), 0);
            if (object == 0) add_frame(reader, frame, kCounted, out);
        }
        return;
    }
}

}  // namespace heapgraph
