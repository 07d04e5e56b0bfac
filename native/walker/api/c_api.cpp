// The plain C face of the walker, called by heapgraph/native/heap_walker.py through ctypes.
// No exception crosses it: a failed allocation becomes a null or a negative result.
#include <cstring>
#include <new>

#include "walker/walk/walker.hpp"

#define HG_EXPORT extern "C" __attribute__((visibility("default")))

using namespace heapgraph;

namespace {

constexpr int kOk = 0;
constexpr int kOutOfMemory = -1;
constexpr int kInvalidArgument = -2;

const char* const kLayoutNames[] = {
#define HEAPGRAPH_NAME(member, name) name,
    HEAPGRAPH_LAYOUT_FIELDS(HEAPGRAPH_NAME)
#undef HEAPGRAPH_NAME
#define HEAPGRAPH_NAME(name, ...) "kind." #name,
    HEAPGRAPH_KINDS(HEAPGRAPH_NAME)
#undef HEAPGRAPH_NAME
};
constexpr u64 kLayoutCount = sizeof kLayoutNames / sizeof kLayoutNames[0];
static_assert(sizeof(Layout) == kLayoutCount * sizeof(i64), "the layout is a plain row of numbers");

template <typename Body>
int guarded(Body body) {
  try {
    body();
    return kOk;
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  } catch (...) {
    return kInvalidArgument;
  }
}

}  // namespace

HG_EXPORT u64 hg_layout_field_count() { return kLayoutCount; }
HG_EXPORT const char* hg_layout_field_name(u64 index) { return index < kLayoutCount ? kLayoutNames[index] : nullptr; }

// pieces: `count` rows of the members of FilePiece, sorted, disjoint. regions: the same. layout: one value per
// hg_layout_field_name. Null when memory is short.
HG_EXPORT Walker* hg_walker_new(const u64* pieces, u64 count, const u64* starts, const u64* ends, u64 regions,
                                const i64* layout_values) {
  try {
    std::vector<FilePiece> files;
    files.reserve(count);
    for (const u64* row = pieces; row != pieces + 5 * count; row += 5) {
      files.push_back({row[0], row[1], row[2], row[3], row[4]});
    }
    auto image = MemoryImage::open(std::move(files), starts, ends, regions);
    if (!image) return nullptr;
    Layout layout;
    std::memcpy(static_cast<void*>(&layout), layout_values, sizeof layout);
    return new Walker(std::move(image), layout);
  } catch (const std::exception&) {
    return nullptr;
  }
}

HG_EXPORT void hg_walker_free(Walker* walker) { delete walker; }

// Row of this name in the table of names.
HG_EXPORT u32 hg_walker_name(Walker* walker, const char* name) { return walker->types().names().row(name); }

HG_EXPORT int hg_walker_add_rule(Walker* walker, const char* type_name, const char* reader, i64 scan_from,
                                 const i64* offsets, const u32* names, const u8* kinds, const u8* flags, u64 fields) {
  if (find_reader(reader) == nullptr) return kInvalidArgument;
  return guarded([&] {
    TypeRule rule;
    rule.reader = find_reader(reader);
    rule.scan_from = scan_from;
    for (u64 i = 0; i < fields; ++i) {
      rule.fields.push_back({offsets[i], names[i], static_cast<EdgeKind>(kinds[i]), flags[i]});
    }
    walker->types().add_rule(type_name, std::move(rule));
  });
}

// Adds an owned buffer to the rule of a type; see BufferRule.
HG_EXPORT int hg_walker_add_buffer(Walker* walker, const char* type_name, i64 pointer, i64 count, int how,
                                   i64 item_size, i64 flag, int in_getsizeof) {
  if (how < 0 || how > static_cast<int>(BufferCount::kOne)) return kInvalidArgument;
  const BufferRule buffer{pointer, count, static_cast<BufferCount>(how), item_size, flag, in_getsizeof != 0};
  return walker->types().add_buffer(type_name, buffer) ? kOk : kInvalidArgument;
}

// Says that instances own blocks of memory; see BlockRule.
HG_EXPORT int hg_walker_set_blocks(Walker* walker, const char* type_name, int depth, int raw_depth,
                                   int contents, int reference_depth) {
  const BlockRule blocks{static_cast<u8>(depth), static_cast<u8>(raw_depth), static_cast<u8>(contents),
                         static_cast<u8>(reference_depth)};
  return walker->types().set_blocks(type_name, blocks) ? kOk : kInvalidArgument;
}

// numbers: the members of WalkBudget. filled: what of the memory holds something, see MemoryImage::set_filled; null when
// that is not known. Before anything is read.
HG_EXPORT int hg_walker_set_budget(Walker* walker, const u64* numbers, const u64* starts, const u64* ends, u64 count) {
  return guarded([&] {
    walker->set_budget({numbers[0], numbers[1], numbers[2], numbers[3]});
    if (starts != nullptr) walker->image().set_filled(starts, ends, count);
  });
}

// Frames that threads run (up to 3.10 frame objects); before anything is discovered.
HG_EXPORT int hg_walker_set_running_frames(Walker* walker, const u64* frames, u64 count) {
  return guarded([&] { walker->reader().set_running_frames(frames, count); });
}

// 1 when the whole range was read.
HG_EXPORT int hg_walker_load(Walker* walker, u64 start, u64 end) { return walker->image().load(start, end); }

HG_EXPORT int hg_walker_read_gc_lists(Walker* walker, const u64* heads, u64 count) {
  return guarded([&] { walker->read_gc_lists(heads, count); });
}

HG_EXPORT int hg_walker_discover(Walker* walker, const u64* seeds, u64 count) {
  return guarded([&] { walker->discover(seeds, count); });
}

// Number of objects found in the words of the range, at most capacity.
HG_EXPORT u64 hg_walker_scan_range(Walker* walker, u64 start, u64 size, u64* addresses, u64* offsets, u64 capacity) {
  u64 found = 0;
  guarded([&] { found = walker->scan_range(start, size, addresses, offsets, capacity); });
  return found;
}

// Pairs of an object and its traverse function, at most `capacity`; call again until it is 0.
// which: 0 for objects that want it, 1 for all that have one.
HG_EXPORT u64 hg_walker_to_traverse(Walker* walker, int which, u64* pairs, u64 capacity) {
  u64 found = 0;
  guarded([&] {
    found = which ? walker->collectable_objects(pairs, capacity) : walker->objects_to_traverse(pairs, capacity);
  });
  return found;
}

// What they visited; the targets of object i end at ends[i]. which: as above, to add or to compare.
HG_EXPORT int hg_walker_traversed(Walker* walker, int which, const u64* objects, const u64* ends, u64 count,
                                  const u64* targets) {
  return guarded([&] {
    if (which) return walker->compare_traversed(objects, ends, count, targets);
    walker->add_traversed(objects, ends, count, targets);
  });
}

HG_EXPORT int hg_walker_emit(Walker* walker, const u64* static_starts, const u64* static_ends, u64 count) {
  return guarded([&] { walker->emit(static_starts, static_ends, count); });
}

HG_EXPORT void hg_walker_forget_memory(Walker* walker) { walker->forget_memory(); }

// After that: the columns address and counted_in.
HG_EXPORT int hg_walker_complete(Walker* walker) {
  return guarded([&] { walker->complete(); });
}

HG_EXPORT void hg_walker_forget_counted_in(Walker* walker) { walker->forget_counted_in(); }

// Addresses of `count` objects by their ids; 0 for no object.
HG_EXPORT void hg_walker_addresses(Walker* walker, const u32* ids, u64 count, u64* addresses) {
  walker->addresses_of(ids, count, addresses);
}

HG_EXPORT u64 hg_walker_progress(const Walker* walker) { return walker->progress().load(std::memory_order_relaxed); }

HG_EXPORT void hg_walker_counts(const Walker* walker, u64* out) {
  const WalkCounts& counts = walker->counts();
  const u64 values[] = {counts.objects, counts.references, counts.gc_tracked, counts.list_breaks,
                        counts.invalid_references, counts.traversed, counts.names, counts.types, counts.bytes_read,
                        counts.bytes_unreadable, counts.shared_tables, counts.left_out};
  std::memcpy(out, values, sizeof values);
}

// Pointers to the columns in the order of heap_walker.py; they live as long as the walker.
HG_EXPORT void hg_walker_columns(const Walker* walker, const void** out) {
  const Columns& columns = walker->columns();
  const void* pointers[] = {columns.address.data(), columns.type.data(), columns.shallow.data(),
                            columns.getsizeof_.data(), columns.refcount.data(), columns.flags.data(),
                            columns.out_degree.data(), columns.counted_in.data(), columns.preview_size.data(),
                            columns.previews.data(), columns.target.data(), columns.label.data(),
                            columns.kind.data(), columns.edge_flags.data()};
  std::memcpy(out, pointers, sizeof pointers);
}

// Rows of a narrow column whose value lies beside it: pairs of row and value. Returns how many; null only counts.
HG_EXPORT u64 hg_walker_large_values(const Walker* walker, u64 column, u64* pairs) {
  const Columns& columns = walker->columns();
  const auto copy = [pairs](const auto& narrow) {
    for (u64 i = 0; pairs != nullptr && i < narrow.large().size(); ++i) {
      pairs[2 * i] = narrow.large()[i].row;
      pairs[2 * i + 1] = narrow.large()[i].value;
    }
    return narrow.large().size();
  };
  switch (column) {  // its place in hg_walker_columns
    case 1: return copy(columns.type);
    case 2: return copy(columns.shallow);
    case 3: return copy(columns.getsizeof_);
    case 4: return copy(columns.refcount);
    case 6: return copy(columns.out_degree);
    case 8: return copy(columns.preview_size);
    default: return 0;
  }
}

HG_EXPORT u64 hg_walker_preview_bytes(const Walker* walker) { return walker->columns().previews.size(); }

HG_EXPORT u32 hg_walker_object_id(Walker* walker, u64 address) { return walker->object_id(address); }

HG_EXPORT const char* hg_walker_name_text(Walker* walker, u64 row) {
  const auto& names = walker->types().names().names();
  return row < names.size() ? names[row].c_str() : nullptr;
}

// The name of the reader of a type's objects.
HG_EXPORT const char* hg_walker_type_reader(Walker* walker, u64 row) {
  const auto& types = walker->types().types();
  return row < types.size() ? types[row]->reader->name : nullptr;
}

// numbers: address, basicsize, itemsize, flags, Python class, fields known, traversed, disagreements.
HG_EXPORT const char* hg_walker_type(Walker* walker, u64 row, i64* numbers) {
  const auto& types = walker->types().types();
  if (row >= types.size()) return nullptr;
  const TypeInfo& type = *types[row];
  const i64 values[] = {static_cast<i64>(type.address), type.basicsize, type.itemsize, static_cast<i64>(type.flags),
                        type.is_python_class, type.knows_fields,
                        static_cast<i64>(type.traversed), static_cast<i64>(type.disagreements)};
  std::memcpy(numbers, values, sizeof values);
  return type.tp_name.c_str();
}
