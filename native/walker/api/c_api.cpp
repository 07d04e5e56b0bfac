// The C interface of walker.h over the classes of the walk.
#include "walker/api/walker.h"

#include <cstring>
#include <new>
#include <type_traits>

#include "walker/blocks/allocators.hpp"
#include "walker/owners/native_owners.hpp"
#include "walker/walk/walker.hpp"

using namespace heapgraph;

// What callers have a pointer to.
struct hg_walker : Walker {
    using Walker::Walker;
    NativeRows native;
    HeapRecords heaps;
};

namespace {

const char *const kLayoutNames[] = {
#define HEAPGRAPH_NAME(member, name) name,
    HEAPGRAPH_LAYOUT_FIELDS(HEAPGRAPH_NAME)
#undef HEAPGRAPH_NAME
#define HEAPGRAPH_NAME(name, ...) "kind." #name,
        HEAPGRAPH_KINDS(HEAPGRAPH_NAME)
#undef HEAPGRAPH_NAME
};
constexpr u64 kLayoutCount = sizeof kLayoutNames / sizeof kLayoutNames[0];
static_assert(sizeof(Layout) == kLayoutCount * sizeof(i64), "the layout is a plain row of numbers");
static_assert(kAbsent == HG_ABSENT && kNoLabel == HG_NO_ROW);
static_assert(static_cast<int>(BufferCount::kWord) == HG_BUFFER_COUNT_WORD &&
              static_cast<int>(BufferCount::kTuple) == HG_BUFFER_COUNT_TUPLE &&
              static_cast<int>(BufferCount::kOne) == HG_BUFFER_COUNT_ONE);
static_assert(BlockRule::kReferences == HG_BLOCK_REFERENCES &&
              BlockRule::kBytes == HG_BLOCK_BYTES &&
              BlockRule::kArrowBuffers == HG_BLOCK_ARROW_BUFFERS &&
              BlockRule::kStack == HG_BLOCK_STACK);

// The body returns a status, or nothing when it cannot fail by itself.
template <typename Body>
int guarded(Body body) {
    try {
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            return HG_WALKER_OK;
        } else {
            return body();
        }
    } catch (const std::bad_alloc &) {
        return HG_WALKER_OUT_OF_MEMORY;
    } catch (...) {
        return HG_WALKER_FAILED;
    }
}

template <typename T>
hg_large_column beside(const NarrowColumn<T> &column) {
    return {column.large().data(), column.large().size()};
}

}  // namespace

int hg_walker_version() { return HG_WALKER_VERSION; }

u64 hg_layout_field_count() { return kLayoutCount; }
const char *hg_layout_field_name(u64 index) {
    return index < kLayoutCount ? kLayoutNames[index] : nullptr;
}

hg_walker *hg_walker_new(const hg_file_piece *pieces, u64 piece_count, const hg_range *regions,
                         u64 region_count, const i64 *layout_values, uint32_t threads) {
    try {
        auto image = MemoryImage::open({pieces, pieces + piece_count}, regions, region_count);
        if (!image) return nullptr;
        Layout layout;
        std::memcpy(static_cast<void *>(&layout), layout_values, sizeof layout);
        return new hg_walker(std::move(image), layout, threads);
    } catch (const std::exception &) {
        return nullptr;
    }
}

void hg_walker_free(hg_walker *walker) { delete walker; }

u32 hg_walker_name(hg_walker *walker, const char *name) {
    u32 row = HG_NO_ROW;
    guarded([&] { row = walker->types().names().row(name); });
    return row;
}

int hg_walker_add_rule(hg_walker *walker, const hg_type_rule *rule) {
    return guarded([&]() -> int {
        TypeRule taught;
        taught.reader = find_reader(rule->reader);
        taught.scan_from = rule->scan_from;
        if (taught.reader == nullptr) return HG_WALKER_UNKNOWN_READER;
        for (const hg_field_rule *it = rule->fields; it != rule->fields + rule->field_count; ++it) {
            taught.fields.push_back(
                {it->offset, it->name, static_cast<EdgeKind>(it->kind), it->flags});
        }
        for (const hg_buffer_rule *it = rule->buffers; it != rule->buffers + rule->buffer_count;
             ++it) {
            if (it->how > HG_BUFFER_COUNT_ONE) return HG_WALKER_UNKNOWN_BUFFER_COUNT;
            taught.buffers.push_back({it->pointer, it->count, static_cast<BufferCount>(it->how),
                                      it->item_size, it->flag, it->in_getsizeof != 0});
        }
        const hg_block_rule &blocks = rule->blocks;
        taught.blocks = {blocks.depth, blocks.raw_depth, blocks.contents, blocks.reference_depth};
        taught.borrowed.assign(rule->borrowed, rule->borrowed + rule->borrowed_count);
        walker->types().add_rule(rule->type_name, std::move(taught));
        return HG_WALKER_OK;
    });
}

int hg_walker_set_budget(hg_walker *walker, const hg_walk_budget *budget, const hg_range *filled,
                         u64 filled_count) {
    return guarded([&] {
        walker->set_budget({.objects = budget->objects,
                            .references = budget->references,
                            .table_bytes = budget->table_bytes,
                            .image_bytes = budget->image_bytes});
        if (filled != nullptr) walker->image().set_filled(filled, filled_count);
    });
}

int hg_walker_set_constant(hg_walker *walker, const hg_range *constant, u64 count) {
    return guarded([&] { walker->image().set_constant(constant, count); });
}

int hg_walker_set_running_frames(hg_walker *walker, const u64 *frames, u64 count) {
    return guarded([&] { walker->reader().set_running_frames(frames, count); });
}

int hg_walker_load(hg_walker *walker, hg_range range, int *whole) {
    *whole = 0;
    return guarded([&] { *whole = walker->image().load(range.start, range.end); });
}

int hg_walker_read_gc_lists(hg_walker *walker, const u64 *heads, u64 count, u64 frozen,
                            int in_order) {
    return guarded([&] { walker->read_gc_lists(heads, count, frozen, in_order != 0); });
}

int hg_walker_discover(hg_walker *walker, const u64 *seeds, u64 count) {
    return guarded([&] { walker->discover(seeds, count); });
}

int hg_walker_scan_range(hg_walker *walker, hg_range range, u64 *addresses, u64 *offsets,
                         u64 capacity, u64 *found) {
    *found = 0;
    return guarded([&] {
        *found =
            walker->scan_range(range.start, range.end - range.start, addresses, offsets, capacity);
    });
}

int hg_walker_lost_objects(hg_walker *walker, const u64 *pools, const uint32_t *block_sizes,
                           u64 count, u64 pool_size, u64 *addresses, u64 capacity, u64 *found) {
    *found = 0;
    return guarded([&] {
        *found = walker->lost_objects(pools, block_sizes, count, pool_size, addresses, capacity);
    });
}

int hg_walker_to_traverse(hg_walker *walker, hg_traverse_job *jobs, u64 capacity, u64 *found) {
    *found = 0;
    return guarded([&] { *found = walker->objects_to_traverse(jobs, capacity); });
}

int hg_walker_all_to_traverse(hg_walker *walker, hg_traverse_job *jobs, u64 capacity, u64 *found) {
    *found = 0;
    return guarded([&] { *found = walker->collectable_objects(jobs, capacity); });
}

int hg_walker_add_traversed(hg_walker *walker, const hg_visits *visits) {
    return guarded([&] { walker->add_traversed(*visits); });
}

int hg_walker_compare_traversed(hg_walker *walker, const hg_visits *visits) {
    return guarded([&] { walker->compare_traversed(*visits); });
}

int hg_walker_emit(hg_walker *walker, const hg_range *statics, u64 static_count) {
    return guarded([&] { walker->emit(statics, static_count); });
}

void hg_walker_forget_memory(hg_walker *walker) { walker->forget_memory(); }

int hg_walker_complete(hg_walker *walker) {
    return guarded([&] { walker->complete(); });
}

void hg_walker_forget_columns(hg_walker *walker, uint32_t which) { walker->forget_columns(which); }

void hg_walker_addresses(hg_walker *walker, const u32 *ids, u64 count, u64 *addresses) {
    walker->addresses_of(ids, count, addresses);
}

u64 hg_walker_progress(const hg_walker *walker) {
    return walker->progress().load(std::memory_order_relaxed);
}

void hg_walker_counts(const hg_walker *walker, hg_walk_counts *counts) {
    *counts = walker->counts();
}

void hg_walker_columns(const hg_walker *walker, hg_columns *columns) {
    const Columns &made = walker->columns();
    *columns = {
        .object_count = made.type.size(),
        .reference_count = made.target.size(),
        .preview_bytes = made.previews.size(),
        .address = made.address.data(),
        .type = made.type.data(),
        .shallow_size = made.shallow.data(),
        .getsizeof = made.getsizeof_.data(),
        .refcount = made.refcount.data(),
        .flags = made.flags.data(),
        .age = made.age.data(),
        .age_part = made.age_part.data(),
        .out_degree = made.out_degree.data(),
        .counted_in = made.counted_in.data(),
        .preview_size = made.preview_size.data(),
        .previews = reinterpret_cast<const u8 *>(made.previews.data()),
        .target = made.target.data(),
        .label = made.label.data(),
        .kind = made.kind.data(),
        .edge_flags = made.edge_flags.data(),
    };
}

void hg_walker_large_values(const hg_walker *walker, hg_large_values *large) {
    const Columns &made = walker->columns();
    *large = {
        .type = beside(made.type),
        .shallow_size = beside(made.shallow),
        .getsizeof = beside(made.getsizeof_),
        .refcount = beside(made.refcount),
        .out_degree = beside(made.out_degree),
        .preview_size = beside(made.preview_size),
    };
}

const char *hg_walker_name_text(hg_walker *walker, u64 row) {
    const auto &names = walker->types().names().names();
    return row < names.size() ? names[row].c_str() : nullptr;
}

int hg_walker_type(hg_walker *walker, u64 row, hg_type *type) {
    const auto &types = walker->types().types();
    if (row >= types.size()) return HG_WALKER_NO_SUCH_ROW;
    const TypeInfo &met = *types[row];
    *type = {
        .address = met.address,
        .basicsize = met.basicsize,
        .itemsize = met.itemsize,
        .flags = met.flags,
        .traversed = met.traversed,
        .disagreements = met.disagreements,
        .tp_name = met.tp_name.c_str(),
        .reader = met.reader->name,
        .is_python_class = met.is_python_class,
        .knows_fields = met.knows_fields,
    };
    return HG_WALKER_OK;
}

int hg_walker_gather(hg_walker *walker, const u64 *addresses, u64 count, u64 size, u8 *out) {
    return guarded([&] { walker->image().gather(addresses, count, size, out); });
}

int hg_walker_chunks(hg_walker *walker, hg_range heap, u64 *free_starts, u64 *free_sizes,
                     u64 capacity, hg_chunk_totals *totals) {
    *totals = {};
    return guarded([&] {
        *totals = walk_chunks(walker->image(), heap.start, heap.end, free_starts, free_sizes,
                              capacity, walker->heaps.from(heap.start, heap.end));
    });
}

int hg_walker_native(hg_walker *walker, const hg_native_places *places, hg_native_memory *memory) {
    *memory = {};
    return guarded([&] {
        walker->native = find_native_owners(*walker, *places, walker->heaps);
        const NativeRows &found = walker->native;
        *memory = {
            .rows = found.rows.data(),
            .row_count = found.rows.size(),
            .owners = found.owners.data(),
            .owner_count = found.owners.size(),
            .chunks = found.chunks,
            .edges = found.edges,
            .small_bytes = found.small_bytes,
            .is_left_out = found.is_left_out,
        };
    });
}
