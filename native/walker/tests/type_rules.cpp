#include "walked_heap.hpp"

namespace heapgraph::test {
namespace {

struct OwnedField {
  i64 offset;
  const char* name;
};

void add_rule(TypeTable& types, const char* name, const char* reader, std::initializer_list<OwnedField> fields = {},
              i64 scan_from = kAbsent) {
  TypeRule rule;
  rule.reader = find_reader(reader);
  rule.scan_from = scan_from;
  for (const OwnedField& field : fields) {
    if (!present(field.offset)) continue;
    rule.fields.push_back({field.offset, types.names().row(field.name), EdgeKind::kField, kOwned});
  }
  types.add_rule(name, std::move(rule));
}

void add_collections(TypeTable& types, const LayoutTable& table) {
  add_rule(types, "list", "list");
  add_rule(types, "tuple", "tuple");
  add_rule(types, "dict", "dict");
  add_rule(types, "set", "set");
  add_rule(types, "collections.deque", "deque");
  add_rule(types, "collections.OrderedDict", "ordered_dict");
  add_rule(types, "functools._lru_cache_wrapper", "lru_cache", {}, 56);
  add_rule(types, "functools._lru_list_elem", "plain",
           {{table.at("lru.elem.key"), "key"}, {table.at("lru.elem.result"), "result"}});
  add_rule(types, "itertools._tee_dataobject", "tee");
  add_rule(types, "hamt_bitmap_node", "items", {}, 16);
  add_rule(types, "numpy.ndarray", "ndarray", {{table.at("ndarray.descr"), "dtype"}});
  add_rule(types, "_queue.SimpleQueue", "simple_queue");
  add_rule(types, "pybind11_object", "plain", {}, 16);
  types.set_blocks("pybind11_object", {6, 1, BlockRule::kReferences});
  add_rule(types, "greenlet.greenlet", "plain", {}, 16);
  types.set_blocks("greenlet.greenlet", {2, 2, BlockRule::kReferences | BlockRule::kBytes | BlockRule::kStack, 1});
  add_rule(types, "pandas._libs.hashtable.PyObjectHashTable", "khash", {}, 16);
  types.set_blocks("pandas._libs.hashtable.PyObjectHashTable", {2, 2, BlockRule::kBytes});
}

}  // namespace

void add_rules(TypeTable& types, const LayoutTable& table) {
  add_rule(types, "object", "plain");
  add_rule(types, "int", "int");
  add_rule(types, "str", "str");
  add_rule(types, "bytes", "bytes");
  add_rule(types, "float", "float");
  add_rule(types, "type", "type");
  add_collections(types, table);
  add_rule(types, "module", "module");
  add_rule(types, "code", "code",
           {{table.at("code.consts"), "co_consts"}, {table.at("code.name"), "co_name"},
            {table.at("code.filename"), "co_filename"}, {table.at("code.varnames"), "co_varnames"},
            {table.at("code.cellvars"), "co_cellvars"}, {table.at("code.freevars"), "co_freevars"},
            {table.at("code.localsplusnames"), "co_localsplusnames"}});
  add_rule(types, "frame", "frame", {{table.at("frame.code"), "f_code"}});
  add_rule(types, "generator", "generator",
           {{table.at("gen.frame"), "gi_frame"}, {table.at("gen.code"), "gi_code"}, {table.at("gen.name"), "__name__"}});
  add_rule(types, "memoryview", "memoryview");
  add_rule(types, "weakref.ReferenceType", "weakref");
  add_rule(types, "bytearray", "bytearray");
  add_rule(types, "array.array", "array");
  types.add_buffer("array.array", {24, 32, BufferCount::kWord, 4, kAbsent, false});
  add_rule(types, "_struct.Struct", "struct");
  add_rule(types, "datetime.datetime", "datetime");
  add_rule(types, "xml.etree.ElementTree.Element", "element");
}

}  // namespace heapgraph::test
