// Frame objects, and the frames that live inside generators, coroutines and async generators.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr i64 kMaxLocals = 1 << 20;
constexpr u64 kStackrefNull = 1;

}  // namespace

// 3.14+ evaluation slots are tagged: bit 0 set = not counted, low bits 3 (3.15 also 2) = no object.
void HeapReader::add_stackref(u64 word, EdgeKind kind, u64 label, u8 flags, EdgeList& out) {
  if (!layout_.at_least(14)) return out.add(word, kind, label, flags);
  if (word == kStackrefNull || (word & 3) == 3) return;
  if (layout_.at_least(15) && (word & 3) == 2) return;
  out.add(word & ~u64{3}, kind, label, word & 1 ? flags & ~kCounted : flags);
}

// The name of a local variable by its place in the frame: an object in a tuple of the code object.
u64 HeapReader::local_name(u64 code, u64 position) {
  const View view = memory_.view(code, layout_.code_size);
  const auto take = [&](i64 field) -> u64 {
    const u64 tuple = view.word(field);
    const u64 count = memory_.word(tuple + layout_.var_size);
    if (position < count) return memory_.word(tuple + layout_.tuple_item + position * 8);
    position -= count;
    return 0;
  };
  if (present(layout_.code_localsplusnames)) return take(layout_.code_localsplusnames);
  for (const i64 field : {layout_.code_varnames, layout_.code_cellvars, layout_.code_freevars}) {
    if (const u64 name = take(field)) return name;
  }
  return 0;
}

// Local variables, then the evaluation stack. While a frame runs its depth is unknown: its locals are
// exact, the stack is read up to the most the code needs and each word is only believed if it is an object.
void HeapReader::frame_slots(u64 first, u64 code, i64 depth, bool depth_known, u8 flags, EdgeList& out) {
  const View code_view = memory_.view(code, layout_.code_size);
  i64 locals;
  if (present(layout_.code_nlocalsplus)) {
    locals = code_view.read<i32>(layout_.code_nlocalsplus);
  } else {
    locals = code_view.read<i32>(layout_.code_nlocals);
    for (const i64 field : {layout_.code_cellvars, layout_.code_freevars}) {
      locals += memory_.word(code_view.word(field) + layout_.var_size);
    }
  }
  const i64 most = locals + code_view.read<i32>(layout_.code_stacksize);
  if (locals < 0 || most < locals || most > kMaxLocals) return;
  const i64 words = depth_known ? std::clamp(depth, i64{0}, most) : most;
  const View slots = memory_.view(first, words * 8);
  // Since 3.11 the collector visits nothing of a frame that runs, as it does not know its depth either.
  const u8 local_flags = depth_known || !present(layout_.if_size) ? flags : kCounted;
  for (i64 i = 0; slots && i < words; ++i) {
    if (i < locals) {
      const u64 name = local_name(code, i);
      add_stackref(slots.word(i * 8), name ? EdgeKind::kLocal : EdgeKind::kStack, name ? name : u64(i), local_flags, out);
    } else {
      add_stackref(slots.word(i * 8), EdgeKind::kStack, i - locals, depth_known ? flags : kScanned, out);
    }
  }
}

// An interpreter frame of 3.11 and later at this address; flags: of the references that it surely holds.
void HeapReader::frame_words(u64 frame, u8 flags, EdgeList& out) {
  const View view = memory_.view(frame, layout_.if_localsplus);
  if (!view) return;
  NameTable& names = types_.names();
  u64 code = view.word(layout_.if_code);
  add_stackref(code, EdgeKind::kField, names.row("f_code"), flags, out);
  if (layout_.at_least(14)) code &= ~u64{3};
  add_stackref(view.word(layout_.if_func), EdgeKind::kField, names.row("f_func"), flags, out);
  out.add(view.word(layout_.if_locals), EdgeKind::kField, names.row("f_locals"), flags);
  // Who put a stack aside may have taken over the one reference to the object of its frame.
  const u8 own_object = flags == kOwned ? kOwned : kCounted | kScanned | kTrailing;
  out.add(view.word(layout_.if_frame_object), EdgeKind::kField, names.row("frame_obj"), own_object);
  i64 depth;
  bool known;
  if (present(layout_.if_stackpointer)) {
    const u64 pointer = view.word(layout_.if_stackpointer);
    known = pointer != 0;
    depth = static_cast<i64>(pointer - (frame + layout_.if_localsplus)) / 8;
  } else {
    depth = view.read<i32>(layout_.if_stacktop);
    known = depth >= 0;
  }
  frame_slots(frame + layout_.if_localsplus, code, depth, known && depth >= 0, flags, out);
}

// 3.8 to 3.10: the frame object holds its slots itself.
void HeapReader::old_frame(u64 object, EdgeList& out) {
  const View view = memory_.view(object, layout_.frame_localsplus);
  const u64 code = view.word(layout_.frame_code);
  const u64 first = object + layout_.frame_localsplus;
  const u64 stack = view.word(layout_.frame_valuestack);
  i64 depth;
  bool known;
  if (present(layout_.frame_stackdepth)) {  // 3.10
    depth = view.read<i32>(layout_.frame_stackdepth);
    known = depth >= 0;
  } else {
    const u64 top = view.word(layout_.frame_stacktop);
    known = top != 0;
    depth = static_cast<i64>(top - stack) / 8;
  }
  frame_slots(first, code, known ? static_cast<i64>(stack - first) / 8 + depth : 0, known, kOwned, out);
  // One that no thread runs lies on a stack that was put aside. The reference by which the C code there runs its
  // caller belongs to that stack.
  if (known || running_frames_.count(object)) return;
  out.add(view.word(layout_.frame_back), EdgeKind::kField, types_.names().row("f_back"), kCounted | kScanned | kTrailing);
}

void HeapReader::frame(u64 object, const TypeInfo& type, EdgeList& out) {
  if (!present(layout_.if_size)) return old_frame(object, out);
  const u64 frame = memory_.word(object + layout_.frame_iframe);
  const View view = memory_.view(frame, layout_.if_size);
  const u8 owner = view.byte(layout_.if_owner);
  // A frame that has left the interpreter belongs to its frame object, and for one on a stack that was put aside the
  // object stands; one that runs belongs to its thread.
  if (owner == kOwnedByFrameObject) frame_words(frame, kOwned, out);
  if (view && owner == kOwnedByThread && !running_frames_.count(frame)) frame_words(frame, kCounted, out);
  (void)type;
}

void HeapReader::generator(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  NameTable& names = types_.names();
  const i64 saved = layout_.gen_exc_state;
  if (present(layout_.exc_info_type)) {
    out.add(view.word(saved + layout_.exc_info_type), EdgeKind::kField, names.row("exc_type"));
    out.add(view.word(saved + layout_.exc_info_traceback), EdgeKind::kField, names.row("exc_traceback"));
  }
  out.add(view.word(saved + layout_.exc_info_value), EdgeKind::kField, names.row("exc_value"));
  if (!present(layout_.gen_iframe)) return;
  const View state = memory_.view(object + layout_.gen_frame_state, 1);
  if (static_cast<signed char>(state.byte(0)) >= layout_.gen_state_cleared) {
    // One that has ended keeps its code, up to 3.11 in a field of its own.
    if (!present(layout_.gen_code)) {
      add_stackref(view.word(layout_.gen_iframe + layout_.if_code), EdgeKind::kField, names.row("gi_code"),
                   layout_.at_least(14) ? kOwned : kCounted, out);
    }
    return;
  }
  frame_words(object + layout_.gen_iframe, kOwned, out);
}

}  // namespace heapgraph
