// What an object refers to: the parts that every kind of object has, and the small special kinds.
#include <algorithm>

#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

constexpr u64 kMaxModuleState = 1 << 20;
constexpr i64 kModuleDefSizeField = 56;  // PyModuleDef.m_size, 3.8 to 3.14
constexpr i64 kModuleDefTraverseField = 80;

}  // namespace

void HeapReader::references(u64 object, const TypeInfo& type, EdgeList& out) {
  u8 type_flags = type.is_heap ? kCounted : 0;
  if (type.type_edge_visible) type_flags |= kGcVisible;
  out.add(type.address, EdgeKind::kType, kNoLabel, type_flags);
  const View view = memory_.view(object, type.basicsize);
  fields(view, type, out);
  if (type.scan_from < type.scan_to) scan(view, type, out);
  (this->*type.reader->references)(object, type, out);
  if (!type.reader->describes_types) instance_dict(object, type, out);
  if (type.blocks.contents & BlockRule::kReferences) references_in_blocks(object, type, out);
}

void HeapReader::fields(View object, const TypeInfo& type, EdgeList& out) {
  for (const FieldRule& field : type.fields) {
    out.add(object.word(field.offset), field.kind, field.name, field.flags);
  }
}

// Words of a C struct without a rule. A name from the type's member table wins over a bare offset.
void HeapReader::scan(View object, const TypeInfo& type, EdgeList& out) {
  const i64 end = std::min<i64>(type.scan_to, object.size());
  for (i64 at = type.scan_from; at + 8 <= end; at += 8) {
    if (at == type.dictoffset || at == type.weaklistoffset) continue;
    bool named = false;
    for (const FieldRule& field : type.fields) named |= field.offset == at;
    if (!named) out.add(object.word(at), EdgeKind::kUnnamed, at, kOwned | kScanned);
  }
}

void HeapReader::items(u64 object, const TypeInfo& type, EdgeList& out) {
  const u64 count = item_count(memory_.view(object, type.basicsize));
  if (type.itemsize != 8 || count > kMaxItems) return;
  items_at(object, object + type.basicsize, count, out, kOwned | kScanned);
}

void HeapReader::instance_dict(u64 object, const TypeInfo& type, EdgeList& out) {
  if (layout_.at_least(11) && type.flags & type_flag::kManagedDict) {
    const u64 dict = memory_.word(object - 24);
    if (!layout_.at_least(12)) {  // 3.11: two words
      out.add(dict, EdgeKind::kDict, kNoLabel);
      const u64 values = memory_.word(object - 32);
      if (values) {
        const u64 count = type.shared_keys.size();
        inline_values(memory_.view(values, layout_.dv_values + count * 8), layout_.dv_values, count, type, out);
      }
    } else if (!layout_.at_least(13)) {  // 3.12: one tagged word
      if (dict & 1) {
        const u64 count = type.shared_keys.size();
        inline_values(memory_.view(dict + 1, layout_.dv_values + count * 8), layout_.dv_values, count, type, out);
      } else {
        out.add(dict, EdgeKind::kDict, kNoLabel);
      }
    } else {
      const View head = memory_.view(object + type.basicsize, layout_.dv_values);
      const bool has_values = type.flags & type_flag::kInlineValues && head.byte(layout_.dv_valid);
      // Some releases visit either the values or the dict, others the dict, and the values from it.
      const bool from_dict = layout_.visits_materialized_dicts();
      out.add(dict, EdgeKind::kDict, kNoLabel, has_values && !from_dict ? kCounted : kOwned);
      const bool dict_has_them = from_dict && dict != 0 &&
          memory_.word(dict + layout_.dict_values) == object + type.basicsize;
      if (!has_values || dict_has_them) return;
      const u64 count = head.byte(layout_.dv_capacity);
      inline_values(memory_.view(object + type.basicsize, layout_.dv_values + count * 8), layout_.dv_values, count,
                    type, out);
    }
    return;
  }
  if (type.dictoffset == 0) return;
  i64 offset = type.dictoffset;
  if (offset < 0) {  // counted from the end of a variable-size object
    const u64 items = item_count(memory_.view(object, layout_.object_size + 8));
    if (items > kMaxItems) return;
    offset += (type.basicsize + items * type.itemsize + 7) / 8 * 8;
    if (offset < layout_.object_size) return;
  }
  for (const FieldRule& field : type.fields) {
    if (field.offset == offset) return;
  }
  out.add(memory_.word(object + offset), EdgeKind::kDict, kNoLabel);
}

void HeapReader::inline_values(View values, i64 first, u64 count, const TypeInfo& type, EdgeList& out) {
  for (u64 i = 0; values && i < count; ++i) {
    const u64 key = i < type.shared_keys.size() ? type.shared_keys[i] : 0;
    const EdgeKind kind = key ? EdgeKind::kAttribute : EdgeKind::kUnnamed;
    out.add(values.word(first + i * 8), kind, key ? key : kNoLabel);
  }
}

// The module's own C state: what its traverse function visits, without names. Its dict is found by
// tp_dictoffset like any other.
void HeapReader::module_state(u64 object, const TypeInfo& type, EdgeList& out) {
  const View module = memory_.view(object, type.basicsize);
  const u64 state = module.word(layout_.module_state);
  if (state == 0) return;
  u64 size = 0, traverse = 0;
  if (present(layout_.module_state_size)) {
    size = module.word(layout_.module_state_size);
    traverse = module.word(layout_.module_state_size + 8);  // md_state_traverse
  } else if (const u64 definition = module.word(layout_.module_def)) {
    size = memory_.word(definition + kModuleDefSizeField);
    traverse = memory_.word(definition + kModuleDefTraverseField);
  }
  if (size > kMaxModuleState) return;
  const View words = memory_.view(state, size);
  const u8 flags = (traverse ? kOwned : 0) | kScanned;
  for (u64 at = 0; words && at + 8 <= size; at += 8) out.add(words.word(at), EdgeKind::kUnnamed, at, flags);
}

void HeapReader::weakref(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  static const std::string referent = "referent", callback = "callback";
  out.add(view.word(layout_.wr_object), EdgeKind::kWeak, types_.names().row(referent), 0);
  out.add(view.word(layout_.wr_callback), EdgeKind::kField, types_.names().row(callback));
}

void HeapReader::type_object(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, layout_.tp_size);
  const bool heap = view.word(layout_.tp_flags) & type_flag::kHeapType;
  NameTable& names = types_.names();
  const u8 owned = heap ? kOwned : kCounted;
  out.add(view.word(layout_.tp_dict), EdgeKind::kDict, kNoLabel, owned);
  out.add(view.word(layout_.tp_cache), EdgeKind::kField, names.row("tp_cache"), owned);
  out.add(view.word(layout_.tp_mro), EdgeKind::kField, names.row("__mro__"), owned);
  out.add(view.word(layout_.tp_bases), EdgeKind::kField, names.row("__bases__"), owned);
  // A static type names its base without counting it.
  out.add(view.word(layout_.tp_base), EdgeKind::kField, names.row("__base__"), heap ? kOwned : 0);
  const u64 subclasses = view.word(layout_.tp_subclasses);
  if (subclasses > 4096) {  // 3.12+: a small number in static types
    out.add(subclasses, EdgeKind::kField, names.row("tp_subclasses"), kCounted);
  }
  if (!heap) return;
  const View heap_part = memory_.view(object, layout_.ht_size);
  out.add(heap_part.word(layout_.ht_name), EdgeKind::kField, names.row("__name__"), kCounted);
  out.add(heap_part.word(layout_.ht_qualname), EdgeKind::kField, names.row("__qualname__"), kCounted);
  out.add(heap_part.word(layout_.ht_slots), EdgeKind::kField, names.row("__slots__"), kCounted);
  if (present(layout_.ht_module)) {
    out.add(heap_part.word(layout_.ht_module), EdgeKind::kField, names.row("ht_module"));
  }
  // The names of split-table attributes belong to the class, not to its instances.
  if (const TypeInfo* self = types_.find(object)) {
    for (u64 i = 0; i < self->shared_keys.size(); ++i) {
      out.add(self->shared_keys[i], EdgeKind::kKey, i, kCounted);
    }
  }
  (void)type;
}

void HeapReader::memoryview(u64 object, const TypeInfo& type, EdgeList& out) {
  out.add(memory_.word(object + layout_.memoryview_mbuf), EdgeKind::kField, types_.names().row("mbuf"));
  (void)type;
}

}  // namespace heapgraph
