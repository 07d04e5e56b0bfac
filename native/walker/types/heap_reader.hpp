// Reads one object: what it refers to, how large it is, what it looks like.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "walker/walk/budget.hpp"
#include "walker/types/edges.hpp"
#include "walker/types/layout.hpp"
#include "walker/image/memory_image.hpp"
#include "walker/types/type_table.hpp"

namespace heapgraph {

constexpr u64 kMaxItems = 1ull << 40;  // of one container; more is damage, and its bytes would overflow

struct Sizes {
  u64 getsizeof = 0;  // what sys.getsizeof says
  u64 shallow = 0;    // bytes asked of the allocators for the object and the buffers it owns
};

// A dict's key table and, when attributes live apart from it, its array of values.
struct DictTable {
  u64 dict = 0;   // address of the dict
  u64 keys = 0;   // address of its key table
  u64 entries = 0;  // address of its entries; 0: there is no such table
  u64 count = 0;
  i64 stride = 0;
  i64 key_offset = 0;
  i64 value_offset = 0;
  bool only_str_keys = true;  // the collector does not visit the keys of such tables
  bool is_split = false;      // values lie apart, keys belong to the class
  bool values_embedded = false;
  u64 values = 0;             // address of the first
  i64 refcount = 0;           // of the key table
  u64 table_bytes = 0;
};

constexpr u8 kOwnedByThread = 0, kOwnedByFrameObject = 2;  // if.owner, 3.11 and later

// A block that an object owns; `used`: how much of it is in use, as a vector says, or at most.
struct OwnedBlock { u64 address; u64 size; u64 used; u8 depth; bool is_vector; };

// Words that may lead to further blocks of an owner.
struct BlockSearch { u64 owner; const TypeInfo* type; u64 start; u64 end; u8 depth; };

class HeapReader {
 public:
  HeapReader(MemoryImage& memory, const Layout& layout, TypeTable& types)
      : memory_(memory), layout_(layout), types_(types) {}

  // Appends every reference of the object, each once; nothing is checked to be an object yet.
  void references(u64 object, const TypeInfo& type, EdgeList& out);
  Sizes sizes(u64 object, const TypeInfo& type);
  // Appends at most kPreviewCharacters characters; false when this kind of object has no preview.
  bool preview(u64 object, const TypeInfo& type, std::string& out);

  static const TypeReader* reader_named(std::string_view name);
  bool has_gc_head(u64 object, const TypeInfo& type);
  i64 least_bytes(u64 object, const TypeInfo& type) { return (this->*type.reader->least_bytes)(object, type); }

  bool is_immortal(u64 object);
  i64 refcount(u64 object);
  bool is_interned(u64 object, const TypeInfo& type);
  DictTable dict_table(u64 dict);
  // Settle which block is whose, when all objects that have blocks are known.
  void share_blocks(std::vector<u64> owners);
  // Frames that threads run (up to 3.10 frame objects): they are on no stack that was put aside.
  void set_running_frames(const u64* frames, u64 count);
  // What may be looked through, in this pass and in the next.
  void set_budget(const WalkBudget& budget) { budget_ = budget; }
  void begin_second_pass() { table_bytes_ = 0; }
  // Whether tables become the property of who is read. Not while somebody is only looked at, who may be no object.
  void set_claiming(bool claiming) { is_claiming_ = claiming; }
  u64 shared_tables() const { return shared_owners_.size(); }  // objects that claim a table which is another's
  u64 tables_left_out() const { return tables_left_out_; }
  // Choose anew which dict stands for the users of a key table: when all classes are known.
  void forget_owners() { orphan_tables_.clear(); }

 private:
  // The parts of a table of `owner` that hold something, see MemoryImage::each_part; nothing of one that is another's,
  // or that is beyond the budget.
  template <typename Visit>
  void each_part(u64 owner, u64 address, u64 size, u64 step, Visit visit) {
    if (!may_read(owner, address, size)) return;
    memory_.each_part(address, size, step, [&](View part, u64 offset) {
      if (!afford(part.size())) return false;
      visit(part, offset);
      return true;
    });
  }
  // An array of references, each with its place as the label.
  void items_at(u64 owner, u64 address, u64 count, EdgeList& out, u8 flags = kOwned);
  bool may_read(u64 owner, u64 address, u64 size);
  bool afford(u64 bytes);
  static const TypeReader kReaders[];

  // references.cpp: what every object has
  void fields(View object, const TypeInfo& type, EdgeList& out);
  void scan(View object, const TypeInfo& type, EdgeList& out);
  void items(u64 object, const TypeInfo& type, EdgeList& out);
  void instance_dict(u64 object, const TypeInfo& type, EdgeList& out);
  void inline_values(View values, i64 first, u64 count, const TypeInfo& type, EdgeList& out);
  void module_state(u64 object, const TypeInfo& type, EdgeList& out);
  void weakref(u64 object, const TypeInfo& type, EdgeList& out);
  void type_object(u64 object, const TypeInfo& type, EdgeList& out);
  void memoryview(u64 object, const TypeInfo& type, EdgeList& out);
  void nothing(u64, const TypeInfo&, EdgeList&) {}
  void code(u64 object, const TypeInfo& type, EdgeList& out);
  void datetime(u64 object, const TypeInfo& type, EdgeList& out);
  void element(u64 object, const TypeInfo& type, EdgeList& out);
  void simple_queue(u64 object, const TypeInfo& type, EdgeList& out);
  void khash(u64 object, const TypeInfo& type, EdgeList& out);
  // blocks.cpp
  void claim_blocks(const std::vector<u64>& owners);
  void search_words(const BlockSearch& from, std::vector<BlockSearch>& next);
  bool find_block(u64 address, const BlockSearch& from, OwnedBlock& block);
  bool is_shared_pointer(u64 object, u64 control);
  const std::vector<OwnedBlock>& blocks_of(u64 object);
  bool is_module_state(View block, const TypeInfo& type);
  bool looks_like_object(u64 address);
  void references_in_blocks(u64 object, const TypeInfo& type, EdgeList& out);
  u64 blocks_bytes(u64 object, const TypeInfo& type);
  u64 arrow_bytes(View block);
  bool is_pool_buffer(u64 vtable);
  // ctypes.cpp
  void ctype(u64 object, const TypeInfo& type, EdgeList& out);
  u64 ctype_extra_bytes(u64 object, const TypeInfo& type);
  u64 stg_bytes(u64 address, i64 format);
  // numpy.cpp
  void ndarray(u64 object, const TypeInfo& type, EdgeList& out);
  const std::vector<u64>& object_places(u64 descr);
  void find_object_places(u64 descr, u64 offset, int depth, std::vector<u64>& places);
  // containers.cpp
  void list(u64 object, const TypeInfo& type, EdgeList& out);
  void tuple(u64 object, const TypeInfo& type, EdgeList& out);
  void dict(u64 object, const TypeInfo& type, EdgeList& out);
  void set(u64 object, const TypeInfo& type, EdgeList& out);
  void deque(u64 object, const TypeInfo& type, EdgeList& out);
  void ordered_dict(u64 object, const TypeInfo& type, EdgeList& out);
  void lru_cache(u64 object, const TypeInfo& type, EdgeList& out);
  void tee(u64 object, const TypeInfo& type, EdgeList& out);
  bool orphan_keys(const DictTable& table);
  bool has_other_keys(const DictTable& table);
  bool is_table_of_interned(const DictTable& table);
  void split_dict(const DictTable& table, EdgeList& out);
  // frames.cpp
  void frame(u64 object, const TypeInfo& type, EdgeList& out);
  void generator(u64 object, const TypeInfo& type, EdgeList& out);
  void frame_words(u64 frame, u8 flags, EdgeList& out);
  void old_frame(u64 object, EdgeList& out);
  void frame_slots(u64 first, u64 code, i64 depth, bool depth_known, u8 flags, EdgeList& out);
  void add_stackref(u64 word, EdgeKind kind, u64 label, u8 flags, EdgeList& out);
  u64 local_name(u64 code, u64 position);
  // suspended_stacks.cpp
  void suspended_stack(View state, EdgeList& out);
  u64 stack_frame_bytes(u64 frame);
  std::vector<u64> stack_frames(u64 last_chunk, u64 top);
  // sizes.cpp
  u64 item_bytes(u64 object, const TypeInfo& type, View view);
  u64 int_bytes(u64 object, const TypeInfo& type, View view);
  u64 str_bytes(u64 object, const TypeInfo& type, View view);
  u64 list_bytes(u64 object, const TypeInfo& type, View view);
  u64 set_bytes(u64 object, const TypeInfo& type, View view);
  u64 table_bytes(const DictTable& table, const TypeInfo& type, View view);
  u64 dict_bytes(u64 object, const TypeInfo& type, View view);
  u64 ordered_dict_bytes(u64 object, const TypeInfo& type, View view);
  u64 type_bytes(u64 object, const TypeInfo& type, View view);
  u64 code_bytes(u64 object, const TypeInfo& type, View view);
  u64 generator_bytes(u64 object, const TypeInfo& type, View view);
  u64 frame_bytes(u64 object, const TypeInfo& type, View view);
  u64 deque_bytes(u64 object, const TypeInfo& type, View view);
  u64 bytearray_bytes(u64 object, const TypeInfo& type, View view);
  i64 basic_least(u64 object, const TypeInfo& type);
  i64 str_least(u64 object, const TypeInfo& type);
  i64 type_least(u64 object, const TypeInfo& type);
  i64 datetime_least(u64 object, const TypeInfo& type);
  u64 buffers_bytes(u64 object, const TypeInfo& type, View view, bool in_getsizeof);
  // c_struct_sizes.cpp
  u64 array_bytes(u64 object, const TypeInfo& type, View view);
  u64 ndarray_bytes(u64 object, const TypeInfo& type, View view);
  u64 struct_bytes(u64 object, const TypeInfo& type, View view);
  u64 element_bytes(u64 object, const TypeInfo& type, View view);
  u64 ctype_bytes(u64 object, const TypeInfo& type, View view);
  u64 stg_dict_bytes(u64 object, const TypeInfo& type, View view);
  u64 pickler_bytes(u64 object, const TypeInfo& type, View view);
  u64 unpickler_bytes(u64 object, const TypeInfo& type, View view);
  u64 text_bytes(u64 address);
  // footprint.cpp
  u64 footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes);
  u64 plain_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 class_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 int_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 str_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 stg_dict_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 dict_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 bytearray_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 datetime_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 code_footprint(u64 object, const TypeInfo& type, View view, u64 getsizeof_bytes, u64 size);
  u64 heap_type_bytes(u64 object, const TypeInfo& type, View view);
  u64 key_table_bytes(u64 keys);
  u64 inline_values_bytes(u64 object, const TypeInfo& type);
  u64 old_frame_bytes(View view);
  u64 item_count(View view);
  // previews.cpp
  bool preview_str(u64 object, std::string& out);
  bool preview_int(u64 object, const TypeInfo& type, std::string& out);
  bool preview_bytes(u64 object, std::string& out);
  bool preview_code(u64 object, const TypeInfo& type, std::string& out);
  bool preview_float(u64 object, const TypeInfo& type, std::string& out);
  bool preview_str_object(u64 object, const TypeInfo&, std::string& out) { return preview_str(object, out); }
  bool preview_bytes_object(u64 object, const TypeInfo&, std::string& out) { return preview_bytes(object, out); }
  bool no_preview(u64, const TypeInfo&, std::string&) { return false; }

  bool is_str(u64 object);
  // What the walker knows of the object's type; null when that is none.
  const TypeInfo* type_of(u64 object) { return types_.find(memory_.word(object + layout_.type)); }

  MemoryImage& memory_;
  const Layout& layout_;
  TypeTable& types_;
  std::unordered_map<u64, std::vector<u64>> object_places_;  // by dtype, see numpy.cpp
  std::unordered_map<u64, u64> orphan_tables_;  // key table -> the dict that stands for its users
  std::unordered_set<u64> claimed_blocks_;  // see blocks.cpp
  std::unordered_map<u64, std::vector<OwnedBlock>> owned_blocks_;  // by owner
  std::unordered_map<u64, bool> pool_buffers_;  // by vtable
  std::unordered_set<u64> running_frames_;
  WalkBudget budget_;
  TableClaims claims_;
  std::unordered_set<u64> shared_owners_;
  bool is_claiming_ = true;
  u64 table_bytes_ = 0, tables_left_out_ = 0;
  u64 general_lookup_ = 0;  // <= 3.10: the dk_lookup of tables that hold other keys than str
};

}  // namespace heapgraph
