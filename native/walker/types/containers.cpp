// Lists, tuples, dicts, sets and the containers of collections, functools and itertools.
#include "walker/types/heap_reader.hpp"

namespace heapgraph {
namespace {

// A chain of C structs ends, or leads back to its start. A damaged one may lead back to its middle: Brent's
// algorithm compares each link with one that is replaced ever more rarely, and so needs no memory.
class LoopGuard {
 public:
  // True when the chain has been at this link before; at the latest after three times its length.
  bool has_seen(u64 link) {
    if (link == kept_) return true;
    if (++steps_ == replace_at_) {
      kept_ = link;
      replace_at_ *= 2;
    }
    return false;
  }

 private:
  u64 kept_ = 0, steps_ = 0, replace_at_ = 1;
};

}  // namespace

bool HeapReader::is_str(u64 object) {
  const View head = memory_.view(object, 16);
  if (!head) return false;
  const View type = memory_.view(head.word(layout_.type), layout_.tp_size);
  return type && (type.word(layout_.tp_flags) & type_flag::kUnicode);
}

// Two owners of one table are damage, or a way to make us read it a thousand times.
bool HeapReader::may_read(u64 owner, u64 address, u64 size) {
  if (size < TableClaims::kLeastBytes || claims_.take(owner, address, size, is_claiming_)) return true;
  if (is_claiming_) shared_owners_.insert(owner);
  return false;
}

bool HeapReader::afford(u64 bytes) {
  table_bytes_ += bytes;
  if (table_bytes_ <= budget_.table_bytes) return true;
  ++tables_left_out_;
  return false;
}

void HeapReader::items_at(u64 owner, u64 address, u64 count, EdgeList& out, u8 flags) {
  if (count > kMaxItems) return;
  each_part(owner, address, count * 8, 8, [&](View words, u64 offset) {
    for (u64 at = 0; at < words.size(); at += 8) out.add(words.word(at), EdgeKind::kIndex, (offset + at) / 8, flags);
  });
}

void HeapReader::list(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  items_at(object, view.word(layout_.list_item), view.word(layout_.var_size), out);
}

void HeapReader::tuple(u64 object, const TypeInfo& type, EdgeList& out) {
  u64 count = memory_.word(object + layout_.var_size);
  if (count < u64(type.tuple_items)) count = type.tuple_items;
  items_at(object, object + layout_.tuple_item, count, out);
}

DictTable HeapReader::dict_table(u64 dict) {
  DictTable table;
  const View view = memory_.view(dict, layout_.dict_size);
  const u64 keys_address = view.word(layout_.dict_keys);
  const View keys = memory_.view(keys_address, layout_.dk_indices);
  if (!keys) return table;
  table.dict = dict;
  table.keys = keys_address;
  table.refcount = keys.signed_word(layout_.dk_refcnt);
  table.count = keys.word(layout_.dk_nentries);
  if (table.count > kMaxItems) return DictTable{};
  u64 index_bytes = 0;
  table.stride = 24, table.key_offset = 8, table.value_offset = 16;
  if (present(layout_.dk_log2_index_bytes)) {
    index_bytes = 1ull << (keys.byte(layout_.dk_log2_index_bytes) & 63);
    const u8 kind = keys.byte(layout_.dk_kind);
    table.only_str_keys = kind != 0;
    if (kind != 0) table.stride = 16, table.key_offset = 0, table.value_offset = 8;
  } else {
    const u64 size = keys.word(layout_.dk_size);
    index_bytes = size * (size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffffull ? 4 : 8);
    table.only_str_keys = general_lookup_ == 0 || keys.word(layout_.dk_lookup) != general_lookup_;
  }
  const u64 entries = keys_address + layout_.dk_indices + index_bytes;
  if (memory_.covers(entries, table.count * table.stride)) table.entries = entries;
  table.table_bytes = key_table_bytes(keys_address);
  const u64 values = view.word(layout_.dict_values);
  if (values != 0) {
    table.is_split = true;
    i64 first = 0;
    if (present(layout_.dv_values)) {
      first = layout_.dv_values;
      if (present(layout_.dv_embedded)) table.values_embedded = memory_.view(values, 4).byte(layout_.dv_embedded);
    }
    if (memory_.covers(values + first, table.count * 8)) table.values = values + first;
  }
  return table;
}

// A shared key table that its class has replaced belongs to the dicts that still use it; the first of
// them that is read stands for all.
bool HeapReader::orphan_keys(const DictTable& table) {
  if (types_.is_shared_table(table.keys)) return false;
  const auto [entry, added] = orphan_tables_.try_emplace(table.keys, table.dict);
  return added || entry->second == table.dict;
}

void HeapReader::split_dict(const DictTable& table, EdgeList& out) {
  if (table.values_embedded && !layout_.visits_materialized_dicts()) return;
  const bool owns_keys = orphan_keys(table);
  if (!may_read(table.dict, table.values, table.count * 8)) return;
  each_part(table.keys, table.entries, table.count * table.stride, table.stride, [&](View entries, u64 offset) {
    const u64 first = offset / table.stride, count = entries.size() / table.stride;
    const View values = memory_.view(table.values + first * 8, count * 8);
    for (u64 i = 0; i < count; ++i) {
      const u64 key = entries.word(i * table.stride + table.key_offset);
      if (owns_keys) out.add(key, EdgeKind::kKey, first + i, kCounted);
      out.add(values.word(i * 8), key ? EdgeKind::kValue : EdgeKind::kUnnamed, key ? key : kNoLabel);
    }
  });
}

// <= 3.10: only the lookup function tells whether a table has other keys than str. Which one is the general function
// is learned from the first table that has.
bool HeapReader::has_other_keys(const DictTable& table) {
  if (present(layout_.dk_kind) || !table.only_str_keys || general_lookup_ != 0) return false;
  bool found = false;
  memory_.each_part(table.entries, table.count * table.stride, table.stride, [&](View entries, u64) {
    for (u64 at = 0; at < entries.size() && !found; at += table.stride) {
      const u64 key = entries.word(at + table.key_offset);
      found = key != 0 && entries.word(at + table.value_offset) != 0 && !is_str(key);
    }
    return !found;
  });
  return found;
}

// Each key is its value, and an interned string.
bool HeapReader::is_table_of_interned(const DictTable& table) {
  u64 alike = 0;
  bool all = true;
  memory_.each_part(table.entries, table.count * table.stride, table.stride, [&](View entries, u64) {
    for (u64 at = 0; at < entries.size() && all; at += table.stride) {
      const u64 key = entries.word(at + table.key_offset), value = entries.word(at + table.value_offset);
      if (key == 0 || value == 0) continue;
      const TypeInfo* type = key == value ? type_of(key) : nullptr;
      all = type != nullptr && is_interned(key, *type);
      ++alike;
    }
    return all;
  });
  return all && alike > 100;
}

void HeapReader::dict(u64 object, const TypeInfo& type, EdgeList& out) {
  const DictTable table = dict_table(object);
  if (!table.entries) return;
  if (table.is_split) return split_dict(table, out);
  if (!may_read(object, table.entries, table.count * table.stride)) return;
  const bool other_keys = has_other_keys(table);
  if (other_keys) general_lookup_ = memory_.word(table.keys + layout_.dk_lookup);
  // Neither of the two references of an interned string is counted, and neither keeps it alive.
  const bool interned = is_table_of_interned(table);
  const u32 name = interned ? types_.names().row("interned") : 0;
  const u8 key_flags = interned ? (table.only_str_keys && !other_keys ? 0 : kGcVisible)
                                : (table.only_str_keys && !other_keys ? kCounted : kOwned);
  each_part(object, table.entries, table.count * table.stride, table.stride, [&](View entries, u64 offset) {
    for (u64 at = 0; at < entries.size(); at += table.stride) {
      const u64 key = entries.word(at + table.key_offset), value = entries.word(at + table.value_offset);
      if (value == 0 || key == 0) continue;
      if (interned) {
        out.add(key, EdgeKind::kWeak, name, key_flags);
        out.add(value, EdgeKind::kWeak, name, kGcVisible);
      } else {
        out.add(key, EdgeKind::kKey, (offset + at) / table.stride, key_flags);
        out.add(value, EdgeKind::kValue, key);
      }
    }
  });
  (void)type;
}

void HeapReader::set(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  const u64 mask = view.word(layout_.set_mask), step = layout_.set_entry_size;
  if (mask > kMaxItems) return;
  each_part(object, view.word(layout_.set_table), (mask + 1) * step, step, [&](View table, u64 offset) {
    for (u64 at = 0; at < table.size(); at += step) {
      const u64 key = table.word(at + layout_.set_entry_key);
      // A deleted entry holds a static marker object with hash -1.
      if (key != 0 && table.signed_word(at + 8) != -1) out.add(key, EdgeKind::kMember, (offset + at) / step);
    }
  });
}

void HeapReader::deque(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  u64 left = view.word(layout_.deque_len);
  u64 block = view.word(layout_.deque_leftblock);
  i64 slot = view.signed_word(layout_.deque_leftindex);
  const i64 slots = layout_.deque_block_slots;
  if (left > kMaxItems || slot < 0 || slot > slots) return;
  LoopGuard guard;
  for (u64 position = 0; left != 0 && block != 0 && !guard.has_seen(block);) {
    const View words = memory_.view(block, layout_.deque_block_rightlink + 8);
    if (!words || !afford(words.size())) return;
    for (; slot < slots && left != 0; ++slot, --left) {
      out.add(words.word(layout_.deque_block_data + slot * 8), EdgeKind::kIndex, position++);
    }
    block = words.word(layout_.deque_block_rightlink);
    slot = 0;
  }
}

// The C OrderedDict: a dict, and a list of nodes that own their keys once more.
void HeapReader::ordered_dict(u64 object, const TypeInfo& type, EdgeList& out) {
  dict(object, type, out);
  const u64 own = object + layout_.dict_size;
  u64 node = memory_.word(own + layout_.odict_first);
  const DictTable table = dict_table(object);
  const u64 most = table.entries ? table.count : 0;
  LoopGuard guard;
  for (u64 i = 0; node != 0 && i < most && !guard.has_seen(node); ++i) {
    const View view = memory_.view(node, layout_.odict_node_next + 8);
    if (!view || !afford(view.size())) return;
    out.add(view.word(layout_.odict_node_key), EdgeKind::kKey, i);
    node = view.word(layout_.odict_node_next);
  }
  if (type.dictoffset == 0) out.add(memory_.word(own + layout_.odict_inst_dict), EdgeKind::kDict, kNoLabel);
}

// A bounded lru_cache visits, link by link, what its links own (and since 3.10 the link's type).
// Those references belong to the links and are not counted again.
void HeapReader::lru_cache(u64 object, const TypeInfo& type, EdgeList& out) {
  u64 link = memory_.word(object + layout_.lru_elem_next);
  const u32 key = types_.names().row("key"), result = types_.names().row("result");
  const u32 own = types_.names().row("link");
  LoopGuard guard;
  while (link != 0 && link != object && !guard.has_seen(link)) {
    const View view = memory_.view(link, layout_.lru_elem_result + 8);
    if (!view || !afford(view.size())) return;
    out.add(link, EdgeKind::kField, own, kCounted);  // the list owns each link once, the dict once more
    out.add(view.word(layout_.lru_elem_key), EdgeKind::kField, key, kGcVisible);
    out.add(view.word(layout_.lru_elem_result), EdgeKind::kField, result, kGcVisible);
    if (layout_.at_least(10)) out.add(view.word(layout_.type), EdgeKind::kType, kNoLabel, kGcVisible);
    link = view.word(layout_.lru_elem_next);
  }
  (void)type;
}

// A block of itertools.tee: slots beyond numread hold stale words.
void HeapReader::tee(u64 object, const TypeInfo& type, EdgeList& out) {
  const View view = memory_.view(object, type.basicsize);
  NameTable& names = types_.names();
  out.add(view.word(layout_.tee_it), EdgeKind::kField, names.row("it"));
  out.add(view.word(layout_.tee_nextlink), EdgeKind::kField, names.row("nextlink"));
  const i32 count = view.read<i32>(layout_.tee_numread);
  for (i32 i = 0; i < count && layout_.tee_values + i * 8 + 8 <= type.basicsize; ++i) {
    out.add(view.word(layout_.tee_values + i * 8), EdgeKind::kIndex, i);
  }
}

}  // namespace heapgraph
