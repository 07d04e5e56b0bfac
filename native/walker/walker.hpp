// The walk: which objects exist, then one row per object and per reference.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "heap_reader.hpp"
#include "traverse.hpp"

namespace heapgraph {

// Numbers of heapgraph/model.py: ObjectFlags.
constexpr u16 kIsGc = 1, kGcTracked = 2, kImmortal = 4, kIsType = 8, kStatic = 16, kInterned = 32;

// What a capture's quality record needs, and where the time went.
struct WalkCounts {
  u64 objects = 0;
  u64 references = 0;
  u64 gc_tracked = 0;
  u64 list_breaks = 0;         // GC list links that do not agree or lead nowhere
  u64 invalid_references = 0;  // named references that lead to no object
  u64 traversed = 0;           // objects whose traverse function ran
  u64 names = 0;
  u64 types = 0;
  u64 bytes_read = 0;
  u64 bytes_unreadable = 0;
};

struct Columns {
  std::vector<u64> address;
  std::vector<u32> type;
  std::vector<u64> shallow;
  std::vector<u64> getsizeof_;
  std::vector<i64> refcount;
  std::vector<u16> flags;
  std::vector<u32> out_degree;
  std::vector<u32> target;
  std::vector<u32> label;
  std::vector<u8> kind;
  std::vector<u8> edge_flags;
  std::string previews;
  std::vector<u64> preview_ends;   // end of each object's preview in `previews`
  std::vector<u8> has_preview;
  std::vector<u32> counted_in;     // references counted in the target's refcount, per object
};

class Walker {
 public:
  Walker(std::unique_ptr<MemoryImage> image, const Layout& layout)
      : image_(std::move(image)), layout_(layout), types_(*image_, layout_), reader_(*image_, layout_, types_) {}

  TypeTable& types() { return types_; }
  MemoryImage& image() { return *image_; }
  HeapReader& reader() { return reader_; }

  // Pass 0: the collector's lists. Marks what is tracked and learns what a Python class looks like.
  void read_gc_lists(const u64* heads, u64 count);
  // Pass 1: everything reachable from the tracked objects and these. May be called again with more.
  void discover(const u64* seeds, u64 count);
  // Words of a struct that are objects (known or not): for the state of interpreters.
  u64 scan_range(u64 start, u64 size, u64* addresses, u64* offsets, u64 capacity);
  // Between: objects whose traverse function should be asked, with its address: (object, function) pairs.
  // Each is named once; what the functions visit may lead to further ones.
  u64 objects_to_traverse(u64* pairs, u64 capacity);
  // What they visited: the targets of object i end at ends[i].
  void add_traversed(const u64* objects, const u64* ends, u64 count, const u64* targets);
  // The instrument: every object that has a traverse function, then a comparison of what it visits
  // with what the columns will say (TypeInfo::disagreements).
  u64 collectable_objects(u64* pairs, u64 capacity);
  void compare_traversed(const u64* objects, const u64* ends, u64 count, const u64* targets);
  // Pass 2: number the objects in address order and write the columns.
  void emit(const u64* static_starts, const u64* static_ends, u64 static_count);
  u32 object_id(u64 address);
  // After emit: give the copied memory back, keep the columns.
  void forget_memory() { image_->forget(); }

  const Columns& columns() const { return columns_; }
  const WalkCounts& counts() const { return counts_; }
  const std::atomic<u64>& progress() const { return progress_; }

 private:
  struct Position { Region* region; u64 bit; };

  bool position(u64 address, Position& out);
  bool is_known(const Position& at) const { return at.region->known[at.bit >> 6] >> (at.bit & 63) & 1; }
  bool is_tracked(const Position& at) const { return at.region->tracked[at.bit >> 6] >> (at.bit & 63) & 1; }
  // The object's type when there is a plausible live object at this address.
  TypeInfo* plausible(u64 address, const Position& at, bool strictly);
  u64 least_bytes(u64 object, const TypeInfo& type);
  bool has_gc_head(u64 object, const TypeInfo& type);
  bool add(u64 address, bool strictly);
  void drain();
  bool is_sound(u64 address, const Position& at);
  void learn_python_class();
  void number_objects();
  void emit_object(u64 address, const Position& at, bool is_static);
  // `uncounted`: the object was made by the compiler, which counts no references.
  void emit_references(u64 address, const TypeInfo& type, bool uncounted);
  void read_references(u64 object, const TypeInfo& type);
  void settle_doubts();
  bool has_count_left(u32 target);
  void reserve_columns();
  u32 id_at(const Position& at) const;

  std::unique_ptr<MemoryImage> image_;
  Layout layout_;
  TypeTable types_;
  HeapReader reader_;
  std::vector<u64> gc_objects_;
  std::vector<u64> stack_;
  EdgeList edges_;
  std::vector<u64> block_owners_;  // objects whose type says that they own blocks of memory
  std::vector<u64> to_traverse_;
  Traversed traversed_;
  u64 listed_region_ = 0, listed_word_ = 0;  // where collectable_objects goes on
  std::vector<u64> placeless_, doubtful_, trailing_;  // rows of references that the counts must confirm
  Columns columns_;
  WalkCounts counts_;
  std::atomic<u64> progress_{0};
  bool gc_objects_added_ = false;
};

}  // namespace heapgraph
