// Where this CPython version keeps what. The values come from heapgraph/capture/layouts at run
// time; here are only the names of those the walker asks for. A field that a version lacks is
// kAbsent.
#pragma once

#include <cstdint>

#include "walker/types/kinds.hpp"

namespace heapgraph {

constexpr std::int64_t kAbsent = -1;
constexpr std::uint64_t kGcHead = 16;  // bytes in front of an object that the collector may track

// X(member, "name in the layout table")
// clang-format off: a table
#define HEAPGRAPH_LAYOUT_FIELDS(X) \
    X(version, "version")           /* 0x030c01 for 3.12.1 */ \
    X(refcount, "obj.refcnt") X(type, "obj.type") X(object_size, "obj.size") \
    X(var_size, "var.size") \
    X(tp_name, "tp.name") X(tp_basicsize, "tp.basicsize") X(tp_itemsize, "tp.itemsize") \
    X(tp_flags, "tp.flags") X(tp_dict, "tp.dict") X(tp_base, "tp.base") X(tp_bases, "tp.bases") \
    X(tp_mro, "tp.mro") X(tp_cache, "tp.cache") X(tp_subclasses, "tp.subclasses") \
    X(tp_dictoffset, "tp.dictoffset") X(tp_weaklistoffset, "tp.weaklistoffset") \
    X(tp_traverse, "tp.traverse") X(tp_dealloc, "tp.dealloc") X(tp_members, "tp.members") \
    X(tp_size, "tp.size") X(descr_type, "descr.type") \
    X(ht_name, "ht.name") X(ht_slots, "ht.slots") X(ht_qualname, "ht.qualname") \
    X(ht_cached_keys, "ht.cached_keys") X(ht_module, "ht.module") X(ht_size, "ht.size") \
    X(list_item, "list.item") X(list_allocated, "list.allocated") X(tuple_item, "tuple.item") \
    X(dict_keys, "dict.keys") X(dict_values, "dict.values") X(dict_size, "dict.size") \
    X(dk_refcnt, "dk.refcnt") X(dk_size, "dk.size") X(dk_lookup, "dk.lookup") \
    X(dk_log2_size, "dk.log2_size") X(dk_log2_index_bytes, "dk.log2_index_bytes") \
    X(dk_kind, "dk.kind") \
    X(dk_usable, "dk.usable") X(dk_nentries, "dk.nentries") X(dk_indices, "dk.indices") \
    X(dv_values, "dv.values") X(dv_capacity, "dv.capacity") X(dv_embedded, "dv.embedded") \
    X(dv_valid, "dv.valid") \
    X(set_mask, "set.mask") X(set_table, "set.table") X(set_smalltable, "set.smalltable") \
    X(set_entry_size, "set.entry_size") X(set_entry_key, "set.entry_key") \
    X(uni_ascii_size, "uni.ascii_size") X(uni_compact_size, "uni.compact_size") \
    X(uni_size, "uni.size") \
    X(uni_length, "uni.length") X(uni_state, "uni.state") X(uni_data, "uni.data") \
    X(uni_utf8, "uni.utf8") \
    X(uni_utf8_length, "uni.utf8_length") \
    X(bytes_sval, "bytes.sval") X(long_tag, "long.tag") X(long_digit, "long.digit") \
    X(long_size, "long.size") \
    X(bytearray_alloc, "bytearray.alloc") X(bytearray_bytes, "bytearray.bytes") \
    X(bytearray_object, "bytearray.object") \
    X(code_name, "code.name") X(code_filename, "code.filename") \
    X(code_firstlineno, "code.firstlineno") \
    X(code_stacksize, "code.stacksize") X(code_nlocals, "code.nlocals") \
    X(code_nlocalsplus, "code.nlocalsplus") \
    X(code_varnames, "code.varnames") X(code_cellvars, "code.cellvars") \
    X(code_freevars, "code.freevars") \
    X(code_localsplusnames, "code.localsplusnames") X(code_extra, "code.extra") \
    X(code_code, "code.code") X(code_size, "code.size") \
    X(code_adaptive, "code.code_adaptive") X(code_cell2arg, "code.cell2arg") \
    X(code_cached, "code._co_cached") \
    X(module_dict, "module.dict") X(module_def, "module.def") X(module_state, "module.state") \
    X(module_state_size, "module.md_state_size") \
    X(frame_code, "frame.code") X(frame_back, "frame.back") \
    X(frame_localsplus, "frame.localsplus") X(frame_valuestack, "frame.valuestack") \
    X(frame_stacktop, "frame.stacktop") X(frame_stackdepth, "frame.stackdepth") \
    X(frame_iframe, "frame.iframe") \
    X(frame_data, "frame.data") \
    X(if_size, "if.size") \
    X(if_locals, "if.locals") X(if_frame_object, "if.frame_obj") X(if_owner, "if.owner") \
    X(if_localsplus, "if.localsplus") X(if_func, "if.func") X(if_code, "if.code") \
    X(if_stacktop, "if.stacktop") X(if_stackpointer, "if.stackpointer") \
    X(gen_frame, "gen.frame") X(gen_code, "gen.code") X(gen_iframe, "gen.iframe") \
    X(gen_frame_state, "gen.frame_state") \
    X(gen_state_cleared, "gen.state_cleared") X(gen_exc_state, "gen.exc_state") \
    X(gen_size, "gen.size") \
    X(exc_info_value, "exc.exc_value") X(exc_info_type, "exc.exc_type") \
    X(exc_info_traceback, "exc.exc_traceback") \
    X(wr_object, "wr.object") X(wr_callback, "wr.callback") \
    X(deque_leftblock, "deque.leftblock") X(deque_leftindex, "deque.leftindex") \
    X(deque_rightblock, "deque.rightblock") X(deque_rightindex, "deque.rightindex") \
    X(deque_len, "deque.len") \
    X(deque_block_data, "deque.block.data") X(deque_block_slots, "deque.block.data_slots") \
    X(deque_block_rightlink, "deque.block.rightlink") \
    X(odict_first, "odict.od_first") X(odict_node_key, "odict.node.key") \
    X(odict_node_next, "odict.node.next") \
    X(odict_inst_dict, "odict.od_inst_dict") \
    X(lru_elem_next, "lru.elem.next") X(lru_elem_key, "lru.elem.key") \
    X(lru_elem_result, "lru.elem.result") \
    X(tee_it, "tee.it") X(tee_numread, "tee.numread") X(tee_nextlink, "tee.nextlink") \
    X(tee_values, "tee.values") \
    X(memoryview_mbuf, "memoryview.mbuf") \
    X(ndarray_data, "ndarray.data") X(ndarray_nd, "ndarray.nd") \
    X(ndarray_dimensions, "ndarray.dimensions") \
    X(ndarray_strides, "ndarray.strides") X(ndarray_descr, "ndarray.descr") \
    X(ndarray_flags, "ndarray.flags") \
    X(tp_doc, "tp.doc") X(moduledef_size, "moduledef.m_size") \
    X(moduledef_traverse, "moduledef.m_traverse") \
    X(module_state_traverse, "module.md_state_traverse") \
    X(code_cached_code, "code.cached.code") X(code_cached_varnames, "code.cached.varnames") \
    X(code_cached_cellvars, "code.cached.cellvars") \
    X(code_cached_freevars, "code.cached.freevars") \
    X(code_cached_size, "code.cached.size") \
    X(chunk_previous, "chunk.previous") X(chunk_size, "chunk.size") X(chunk_top, "chunk.top") \
    X(chunk_data, "chunk.data") \
    X(odict_fast_nodes_size, "odict.od_fast_nodes_size") \
    X(array_allocated, "array.allocated") X(array_descr, "array.descr") \
    X(array_itemsize, "array.descr.itemsize") \
    X(struct_codes, "struct.codes") X(datetime_has_tzinfo, "datetime.has_tzinfo") \
    X(element_tag, "element.tag") X(element_text, "element.text") X(element_tail, "element.tail") \
    X(element_extra, "element.extra") X(element_attributes, "element.extra.attributes") \
    X(element_length, "element.extra.length") X(element_allocated, "element.extra.allocated") \
    X(element_children, "element.extra.children") \
    X(element_own_children, "element.extra.own_children") \
    X(element_extra_size, "element.extra.size") \
    X(decimal_flags, "decimal.flags") X(decimal_allocated, "decimal.allocated") \
    X(zone_offsets, "zoneinfo.offsets") X(zone_offsets_count, "zoneinfo.offsets_count") \
    X(zone_utcoff, "zoneinfo.offset.utcoff") X(zone_dstoff, "zoneinfo.offset.dstoff") \
    X(zone_tzname, "zoneinfo.offset.tzname") X(zone_offset_size, "zoneinfo.offset.size") \
    X(managed_dict, "managed.dict") X(managed_values, "managed.values") \
    X(queue_list, "simplequeue.list") X(queue_first, "simplequeue.get_index") \
    X(queue_items, "simplequeue.items") \
    X(queue_capacity, "simplequeue.capacity") X(queue_length, "simplequeue.count")
// clang-format on

struct Layout {
#define HEAPGRAPH_MEMBER(member, name) std::int64_t member = kAbsent;
    HEAPGRAPH_LAYOUT_FIELDS(HEAPGRAPH_MEMBER)
#undef HEAPGRAPH_MEMBER
    Kinds kinds;

    // For the releases below, and for tests: everything else asks for a kind, or whether a field is
    // present.
    bool at_least(int minor, int micro = 0) const {
        return version >= (0x030000 | minor << 8 | micro);
    }
    // Instances with values of their own have a dict visited as well, and that visits the values
    // (python/cpython gh-130327, in every branch that was maintained then).
    bool visits_materialized_dicts() const {
        return at_least(14) ? at_least(14, 4) : at_least(13, 13);
    }
};

constexpr bool present(std::int64_t field) { return field != kAbsent; }

// Bits of tp_flags (Include/object.h, the same in every version that has them).
namespace type_flag {
constexpr std::uint64_t kInlineValues = 1ull << 2;
constexpr std::uint64_t kManagedWeakref = 1ull << 3;
constexpr std::uint64_t kManagedDict = 1ull << 4;
constexpr std::uint64_t kHeapType = 1ull << 9;
constexpr std::uint64_t kReady = 1ull << 12;
constexpr std::uint64_t kHaveGc = 1ull << 14;
constexpr std::uint64_t kLong = 1ull << 24;
constexpr std::uint64_t kList = 1ull << 25;
constexpr std::uint64_t kTuple = 1ull << 26;
constexpr std::uint64_t kBytes = 1ull << 27;
constexpr std::uint64_t kUnicode = 1ull << 28;
constexpr std::uint64_t kDict = 1ull << 29;
constexpr std::uint64_t kException = 1ull << 30;
constexpr std::uint64_t kType = 1ull << 31;
}  // namespace type_flag

}  // namespace heapgraph
