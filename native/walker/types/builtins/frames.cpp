// Frame objects, and the frames that live inside generators, coroutines and async generators.
#include "walker/types/builtins/frames.hpp"

#include <algorithm>

namespace heapgraph {
namespace {

constexpr u64 kMaxSlots = 1 << 20;
constexpr u64 kStackrefNull = 1;

// The name of a local variable by its place in the frame: an object in a tuple of the code object.
u64 local_name(HeapReader &reader, u64 code, u64 position) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(code, layout.code_size);
    const auto take = [&](i64 field) -> u64 {
        const u64 tuple = view.u64_at(field);
        const u64 count = reader.tuple_length(tuple);
        if (position < count)
            return reader.memory().u64_at(tuple + layout.tuple_item + position * 8);
        position -= count;
        return 0;
    };
    if (present(layout.code_localsplusnames)) return take(layout.code_localsplusnames);
    for (const i64 field : {layout.code_varnames, layout.code_cellvars, layout.code_freevars}) {
        if (const u64 name = take(field)) return name;
    }
    return 0;
}

// Local variables, then the evaluation stack. While a frame runs its depth is unknown: its locals
// are exact, the stack is read up to the most the code needs and each word is only believed if it
// is an object.
void add_slots(HeapReader &reader, u64 first, u64 code, i64 depth, bool depth_known, u8 flags,
               EdgeList &out) {
    const FrameSlots room = frame_slots(reader, code);
    if (!room.is_sound) return;
    const i64 all = room.all(), words = depth_known ? std::clamp(depth, i64{0}, all) : all;
    const View slots = reader.memory().view(first, words * 8);
    // Since 3.11 the collector visits nothing of a frame that runs, as it does not know its depth
    // either.
    const u8 local_flags = depth_known || !present(reader.layout().if_size) ? flags : kCounted;
    for (i64 i = 0; slots && i < words; ++i) {
        const u64 word = slots.u64_at(i * 8);
        if (i < room.locals) {
            const u64 name = local_name(reader, code, i);
            add_stackref(reader, word, name ? EdgeKind::kLocal : EdgeKind::kStack,
                         name ? name : u64(i), local_flags, out);
        } else {
            add_stackref(reader, word, EdgeKind::kStack, i - room.locals,
                         depth_known ? flags : kScanned, out);
        }
    }
}

// 3.8 to 3.10: the frame object holds its slots itself.
void add_old_frame(HeapReader &reader, u64 object, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(object, layout.frame_localsplus);
    const u64 code = view.u64_at(layout.frame_code);
    const u64 first = object + layout.frame_localsplus;
    const u64 stack = view.u64_at(layout.frame_valuestack);
    i64 depth;
    bool known;
    if (present(layout.frame_stackdepth)) {  // 3.10
        depth = view.read<i32>(layout.frame_stackdepth);
        known = depth >= 0;
    } else {
        const u64 top = view.u64_at(layout.frame_stacktop);
        known = top != 0;
        depth = static_cast<i64>(top - stack) / 8;
    }
    add_slots(reader, first, code, known ? static_cast<i64>(stack - first) / 8 + depth : 0, known,
              kOwned, out);
    // One that no thread runs lies on a stack that was put aside. The reference by which the C code
    // there runs its caller belongs to that stack.
    if (known || reader.is_running(object)) return;
    out.add(view.u64_at(layout.frame_back), EdgeKind::kField, reader.name("f_back"),
            kCounted | kScanned | kTrailing);
}

void frame_references(HeapReader &reader, u64 object, const TypeInfo &, EdgeList &out) {
    const Layout &layout = reader.layout();
    if (!present(layout.if_size)) return add_old_frame(reader, object, out);
    const u64 frame = reader.memory().u64_at(object + layout.frame_iframe);
    const View view = reader.memory().view(frame, layout.if_size);
    const i8 owner = view.read<i8>(layout.if_owner);
    // A frame that has left the interpreter belongs to its frame object, and for one on a stack
    // that was put aside the object stands; one that runs belongs to its thread.
    if (owner == kOwnedByFrameObject) add_frame(reader, frame, kOwned, out);
    if (view && owner == kOwnedByThread && !reader.is_running(frame))
        add_frame(reader, frame, kCounted, out);
}

u64 frame_bytes(HeapReader &reader, u64, const TypeInfo &, View view) {
    const Layout &layout = reader.layout();
    if (!present(layout.if_size)) {
        return layout.frame_localsplus +
               frame_slots(reader, view.u64_at(layout.frame_code)).all() * 8;
    }
    // Not the place in the frame object: that is filled in only when the function has left.
    const u64 code = reader.memory().u64_at(view.u64_at(layout.frame_iframe) + layout.if_code);
    return layout.frame_data + layout.if_localsplus +
           frame_slots(reader, object_of(layout, code)).all() * 8;
}

}  // namespace

FrameSlots frame_slots(HeapReader &reader, u64 code) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(code, layout.code_size);
    FrameSlots slots;
    if (present(layout.code_nlocalsplus)) {
        slots.locals = view.read<i32>(layout.code_nlocalsplus);
    } else {
        slots.locals = view.read<i32>(layout.code_nlocals);
        for (const i64 field : {layout.code_cellvars, layout.code_freevars}) {
            slots.locals += reader.tuple_length(view.u64_at(field));
        }
    }
    slots.stack = view.read<i32>(layout.code_stacksize);
    slots.is_sound = view && slots.locals >= 0 && slots.stack >= 0 && slots.all() <= kMaxSlots;
    return slots;
}

// Bit 0 set = not counted, low bits 3 (with ints also 2) = no object.
void add_stackref(HeapReader &reader, u64 word, EdgeKind kind, u64 label, u8 flags, EdgeList &out) {
    const Layout &layout = reader.layout();
    if (layout.kinds.stack_reference == kind::stack_reference::pointer)
        return out.add(word, kind, label, flags);
    if (word == kStackrefNull || (word & 3) == 3) return;
    if (layout.kinds.stack_reference == kind::stack_reference::tagged_or_int && (word & 3) == 2)
        return;
    out.add(object_of(layout, word), kind, label, word & 1 ? flags & ~kCounted : flags);
}

void add_frame(HeapReader &reader, u64 frame, u8 flags, EdgeList &out) {
    const Layout &layout = reader.layout();
    const View view = reader.memory().view(frame, layout.if_localsplus);
    if (!view) return;
    const u64 code = view.u64_at(layout.if_code);
    add_stackref(reader, code, EdgeKind::kField, reader.name("f_code"), flags, out);
    add_stackref(reader, view.u64_at(layout.if_func), EdgeKind::kField, reader.name("f_func"),
                 flags, out);
    out.add(view.u64_at(layout.if_locals), EdgeKind::kField, reader.name("f_locals"), flags);
    // Who put a stack aside may have taken over the one reference to the object of its frame.
    const u8 own_object = flags == kOwned ? kOwned : kCounted | kScanned | kTrailing;
    out.add(view.u64_at(layout.if_frame_object), EdgeKind::kField, reader.name("frame_obj"),
            own_object);
    i64 depth;
    bool known;
    if (present(layout.if_stackpointer)) {
        const u64 pointer = view.u64_at(layout.if_stackpointer);
        known = pointer != 0;
        depth = static_cast<i64>(pointer - (frame + layout.if_localsplus)) / 8;
    } else {
        depth = view.read<i32>(layout.if_stacktop);
        known = depth >= 0;
    }
    add_slots(reader, frame + layout.if_localsplus, object_of(layout, code), depth,
              known && depth >= 0, flags, out);
}

extern const TypeReader frame_reader{
    .name = "frame", .references = frame_references, .getsizeof_ = frame_bytes};

}  // namespace heapgraph
