// Code, frames, generators, and stacks of frames that were put aside.
#include "zoo.hpp"

namespace heapgraph::test {
namespace {

using type_flag::kHaveGc;

constexpr u8 kSuspended = 0xff;  // frame state -1 of generators since 3.11
constexpr u8 kOwnedByThread = 0, kOwnedByGenerator = 1, kOwnedByFrameObject = 2;
constexpr u64 kChunk = 1 << 14;

}  // namespace

u64 build_code(HeapBuilder &heap, const Objects &local_names) {
    const Layout &at = heap.layout;
    const u64 type = heap.static_type(
        {.name = "code", .basicsize = at.code_size, .itemsize = at.at_least(11) ? 2 : 0});
    const u64 code = heap.instance(type);
    heap.own(code + at.code_name, heap.text("run"));
    heap.own(code + at.code_filename, heap.text("app.py"));
    put<i32>(code + at.code_firstlineno, 7);
    put<i32>(code + at.code_stacksize, 2);
    if (present(at.code_nlocalsplus)) {
        put<i32>(code + at.code_nlocalsplus, local_names.size());
        heap.own(code + at.code_localsplusnames, heap.tuple(local_names));
    } else {
        put<i32>(code + at.code_nlocals, local_names.size());
        heap.own(code + at.code_varnames, heap.tuple(local_names));
        heap.own(code + at.code_cellvars, heap.tuple({}));
        heap.own(code + at.code_freevars, heap.tuple({}));
    }
    return code;
}

namespace {

// A frame of 3.11 or later at this address: two locals, and one word on its evaluation stack.
void fill_inner_frame(HeapBuilder &heap, u64 frame, u64 code, const Objects &slots, u8 owner) {
    const Layout &at = heap.layout;
    heap.own(frame + at.if_code, code);
    put<u8>(frame + at.if_owner, owner);
    const u64 first = frame + at.if_localsplus;
    for (u64 i = 0; i < slots.size(); ++i) heap.own(first + i * 8, slots[i]);
    if (present(at.if_stackpointer)) {
        put_word(frame + at.if_stackpointer, first + slots.size() * 8);
    } else {
        put<i32>(frame + at.if_stacktop, slots.size());
    }
}

}  // namespace

u64 build_frame(HeapBuilder &heap, u64 code, const Objects &slots) {
    const Layout &at = heap.layout;
    if (present(at.if_size)) {
        const u64 type = heap.static_type({.name = "frame",
                                           .basicsize = at.frame_data + at.if_localsplus,
                                           .itemsize = 8,
                                           .flags = kHaveGc});
        const u64 object = heap.instance(type, slots.size() * 8);
        put_word(object + at.frame_iframe, object + at.frame_data);
        fill_inner_frame(heap, object + at.frame_data, code, slots, kOwnedByFrameObject);
        return object;
    }
    const u64 type = heap.static_type(
        {.name = "frame", .basicsize = at.frame_localsplus, .itemsize = 8, .flags = kHaveGc});
    const u64 object = heap.instance(type, slots.size() * 8);
    const u64 first = object + at.frame_localsplus;
    heap.own(object + at.frame_code, code);
    for (u64 i = 0; i < slots.size(); ++i) heap.own(first + i * 8, slots[i]);
    put_word(object + at.frame_valuestack, first + 2 * 8);
    put_word(object + at.frame_stacktop, first + slots.size() * 8);
    return object;
}

// Frames in a chunk of a stack, which begins a page, and the greenlet that has put it aside. The
// objects are those of the first frame and of the last.
Stack build_stack(HeapBuilder &heap, u64 code, const std::vector<Objects> &frames) {
    const Layout &at = heap.layout;
    const u64 place = heap.data.allocate(kChunk + 4096), chunk = (place + 4095) & ~u64{4095};
    put_word(chunk + 8, kChunk);
    Stack stack;
    u64 frame = chunk + 24 + 8;
    // Not tracked, as long as it does not own its frame.
    const u64 type = heap.static_type(
        {.name = "frame", .basicsize = at.frame_data + at.if_localsplus, .itemsize = 8});
    for (u64 i = 0; i < frames.size(); ++i) {
        fill_inner_frame(heap, frame, code, frames[i], kOwnedByThread);
        stack.frames.push_back(frame);
        if (i == 0 || i + 1 == frames.size()) {
            const u64 object = heap.instance(type, 0);
            put_word(object + at.frame_iframe, frame);
            heap.own(frame + at.if_frame_object, object);
            stack.objects.push_back(object);
        }
        frame += at.if_localsplus + 4 * 8;  // two locals, two places to evaluate: see build_code
    }
    const u64 state = heap.allocate_chunk(6 * 8),
              greenlet_type = heap.static_type({.name = "greenlet.greenlet", .basicsize = 40});
    stack.greenlet = heap.instance(greenlet_type);
    put_word(stack.greenlet + 32, state);
    put_word(state, stack.objects.back());  // the reference of the frame, taken over
    put_word(state + 24, chunk);
    put_word(state + 32, frame);
    put_word(state + 40, chunk + kChunk);
    return stack;
}

u64 build_generator(HeapBuilder &heap, u64 code, u64 name, const Objects &slots) {
    const Layout &at = heap.layout;
    if (present(at.gen_iframe)) {
        const u64 type = heap.static_type({.name = "generator",
                                           .basicsize = at.gen_iframe + at.if_localsplus,
                                           .itemsize = 8,
                                           .flags = kHaveGc});
        const u64 object = heap.instance(type, (slots.size() + 1) * 8);
        heap.own(object + heap.table.at("gen.name"), name);
        put<u8>(object + at.gen_frame_state, kSuspended);
        fill_inner_frame(heap, object + at.gen_iframe, code, slots, kOwnedByGenerator);
        return object;
    }
    const u64 type =
        heap.static_type({.name = "generator", .basicsize = at.gen_size, .flags = kHaveGc});
    const u64 object = heap.instance(type);
    heap.own(object + heap.table.at("gen.name"), name);
    heap.own(object + heap.table.at("gen.code"), code);
    heap.own(object + at.gen_frame, build_frame(heap, code, slots));
    return object;
}

}  // namespace heapgraph::test
