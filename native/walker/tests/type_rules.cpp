#include "walked_heap.hpp"

namespace heapgraph::test {
namespace {

struct OwnedField {
  i64 offset;
  const char* name;
};

void add_rule(TypeTable& types, const char* name, Handler handler, std::initializer_list<OwnedField> fields = {},
              i64 scan_from = kAbsent) {
  TypeRule rule;
  rule.handler = handler;
  rule.scan_from = scan_from;
  for (const OwnedField& field : fields) {
    if (!present(field.offset)) continue;
    rule.fields.push_back({field.offset, types.names().row(field.name), EdgeKind::kField, kOwned});
  }
  types.add_rule(name, std::move(rule));
}

void add_collections(TypeTable& types, const LayoutTable& table) {
  add_rule(types, "list", Handler::kList);
  add_rule(types, "tuple", Handler::kTuple);
  add_rule(types, "dict", Handler::kDict);
  add_rule(types, "set", Handler::kSet);
  add_rule(types, "collections.deque", Handler::kDeque);
  add_rule(types, "collections.OrderedDict", Handler::kOrderedDict);
  add_rule(types, "functools._lru_cache_wrapper", Handler::kLruCache, {}, 56);
  add_rule(types, "functools._lru_list_elem", Handler::kPlain,
           {{table.at("lru.elem.key"), "key"}, {table.at("lru.elem.result"), "result"}});
  add_rule(types, "itertools._tee_dataobject", Handler::kTee);
  add_rule(types, "hamt_bitmap_node", Handler::kItems, {}, 16);
  add_rule(types, "numpy.ndarray", Handler::kNdarray, {{table.at("ndarray.descr"), "dtype"}});
  add_rule(types, "_queue.SimpleQueue", Handler::kSimpleQueue);
  add_rule(types, "pybind11_object", Handler::kPlain, {}, 16);
  types.set_blocks("pybind11_object", {6, 1, BlockRule::kReferences});
  add_rule(types, "greenlet.greenlet", Handler::kPlain, {}, 16);
  types.set_blocks("greenlet.greenlet", {2, 2, BlockRule::kReferences | BlockRule::kBytes | BlockRule::kStack, 1});
  add_rule(types, "pandas._libs.hashtable.PyObjectHashTable", Handler::kKhash, {}, 16);
  types.set_blocks("pandas._libs.hashtable.PyObjectHashTable", {2, 2, BlockRule::kBytes});
}

}  // namespace

void add_rules(TypeTable& types, const LayoutTable& table) {
  add_rule(types, "object", Handler::kPlain);
  add_rule(types, "int", Handler::kInt);
  add_rule(types, "str", Handler::kStr);
  add_rule(types, "bytes", Handler::kBytes);
  add_rule(types, "float", Handler::kFloat);
  add_rule(types, "type", Handler::kType);
  add_collections(types, table);
  add_rule(types, "module", Handler::kModule);
  add_rule(types, "code", Handler::kCode,
           {{table.at("code.consts"), "co_consts"}, {table.at("code.name"), "co_name"},
            {table.at("code.filename"), "co_filename"}, {table.at("code.varnames"), "co_varnames"},
            {table.at("code.cellvars"), "co_cellvars"}, {table.at("code.freevars"), "co_freevars"},
            {table.at("code.localsplusnames"), "co_localsplusnames"}});
  add_rule(types, "frame", Handler::kFrame, {{table.at("frame.code"), "f_code"}});
  add_rule(types, "generator", Handler::kGenerator,
           {{table.at("gen.frame"), "gi_frame"}, {table.at("gen.code"), "gi_code"}, {table.at("gen.name"), "__name__"}});
  add_rule(types, "memoryview", Handler::kMemoryview);
  add_rule(types, "weakref.ReferenceType", Handler::kWeakref);
  add_rule(types, "bytearray", Handler::kBytearray);
  add_rule(types, "array.array", Handler::kArray);
  types.add_buffer("array.array", {24, 32, BufferCount::kWord, 4, kAbsent, false});
  add_rule(types, "_struct.Struct", Handler::kStruct);
  add_rule(types, "datetime.datetime", Handler::kDatetime);
  add_rule(types, "xml.etree.ElementTree.Element", Handler::kElement);
}

}  // namespace heapgraph::test
