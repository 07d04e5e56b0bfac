#include "walked_heap.hpp"

#include <fcntl.h>

#include <algorithm>

namespace heapgraph::test {
namespace {

Ranges all_regions(const HeapBuilder &heap) {
    Ranges regions{{heap.data.start(), heap.data.end()},
                   {heap.statics.start(), heap.statics.end()}};
    std::sort(regions.begin(), regions.end());
    return regions;
}

}  // namespace

std::vector<FilePiece> own_memory() {
    static const int descriptor = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    CHECK(descriptor >= 0);
    constexpr u64 all = 1ull << 47;
    return {{0, all, static_cast<u64>(descriptor), 0, all}};
}

namespace {

std::vector<AddressRange> as_ranges(const Ranges &pairs) {
    std::vector<AddressRange> ranges;
    for (const auto &[start, end] : pairs) ranges.push_back({start, end});
    return ranges;
}

constexpr unsigned kThreads = 2;

std::unique_ptr<MemoryImage> open_image(const Ranges &regions) {
    const auto ranges = as_ranges(regions);
    auto image = MemoryImage::open(own_memory(), ranges.data(), ranges.size());
    CHECK(image != nullptr);
    return image;
}

bool is_text(const std::string &utf8) {
    for (size_t i = 0; i < utf8.size();) {
        const u8 lead = utf8[i++];
        const int more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return false;
        for (int left = more; left > 0; --left, ++i) {
            if (i >= utf8.size() || (utf8[i] & 0xc0) != 0x80) return false;
        }
    }
    return true;
}

void check_references(Walker &walker) {
    const Columns &columns = walker.columns();
    const u64 count = columns.address.size(), names = walker.types().names().names().size();
    std::vector<u32> counted(count);
    for (u64 row = 0; row < columns.target.size(); ++row) {
        const EdgeKind kind{columns.kind[row]};
        const u32 label = columns.label[row];
        CHECK(columns.target[row] < count);
        CHECK(columns.kind[row] <= static_cast<u8>(EdgeKind::kUnnamed));
        CHECK(columns.edge_flags[row] <= (kGcVisible | kCounted | kScanned));
        if (label_is_object(kind)) CHECK(label < count || label == kNoLabel);
        const bool named =
            kind == EdgeKind::kSlot || kind == EdgeKind::kField || kind == EdgeKind::kWeak;
        if (named) CHECK(label < names);
        if (columns.edge_flags[row] & kCounted) ++counted[columns.target[row]];
    }
    CHECK(std::equal(counted.begin(), counted.end(), columns.counted_in.begin(),
                     columns.counted_in.end()));
}

void check_objects(Walker &walker, u64 mapped_bytes) {
    const Columns &columns = walker.columns();
    // An item of a container takes a word of memory, and each word is read for three references at
    // most; a frame, a class or a generator adds some named fields of its own.
    const u64 most = mapped_bytes / 8 * 3 + 4096;
    const u64 types = walker.types().types().size();
    u64 before = 0;
    for (u64 id = 0; id < columns.address.size(); ++id) {
        CHECK(id == 0 || columns.address[id - 1] < columns.address[id]);
        CHECK(walker.object_id(columns.address[id]) == id);
        CHECK(columns.type[id] < types);
        CHECK(columns.refcount[id] > 0);
        CHECK(columns.out_degree[id] <= most);
        CHECK(walker.address_of(id) == columns.address[id]);
        if (columns.preview_size[id] != 0) before += columns.preview_size[id] - 1;
    }
    // Rising ids, each twice, and then a few falling ones.
    std::vector<u32> ids;
    for (u32 id = 0; id < columns.address.size(); ++id) ids.insert(ids.end(), 2, id);
    const u32 count = static_cast<u32>(columns.address.size());
    for (u32 back = 1; back <= count && back < 50; ++back) ids.push_back(count - back);
    std::vector<u64> addresses(ids.size());
    walker.addresses_of(ids.data(), ids.size(), addresses.data());
    for (u64 i = 0; i < ids.size(); ++i) CHECK(addresses[i] == columns.address[ids[i]]);
    CHECK(before == columns.previews.size());
    CHECK(is_text({columns.previews.begin(), columns.previews.end()}));
}

}  // namespace

void check_columns(Walker &walker, u64 mapped_bytes) {
    const Columns &columns = walker.columns();
    const u64 count = columns.address.size(), references = columns.target.size();
    CHECK(count == walker.counts().objects && references == walker.counts().references);
    for (const u64 rows :
         {columns.type.size(), columns.shallow.size(), columns.getsizeof_.size(),
          columns.refcount.size(), columns.flags.size(), columns.out_degree.size(),
          columns.preview_size.size(), columns.address.size(), columns.counted_in.size()}) {
        CHECK_EQUAL(rows, count);
    }
    for (const u64 rows : {columns.label.size(), columns.kind.size(), columns.edge_flags.size()}) {
        CHECK_EQUAL(rows, references);
    }
    u64 degrees = 0;
    for (u64 id = 0; id < count; ++id) degrees += columns.out_degree[id];
    CHECK_EQUAL(degrees, references);
    check_objects(walker, mapped_bytes);
    check_references(walker);
}

WalkedHeap::WalkedHeap(const HeapBuilder &heap, const Objects &seeds)
    : WalkedHeap(heap, all_regions(heap), {heap.gc_head}, seeds) {}

WalkedHeap::WalkedHeap(const HeapBuilder &heap, const Ranges &regions, const Objects &heads,
                       const Objects &seeds)
    : heap_(heap), walker_(open_image(regions), heap.layout, kThreads) {
    walk(regions, heads, seeds);
}

WalkedHeap::WalkedHeap(const HeapBuilder &heap, const Ranges &regions, const Objects &heads,
                       const Objects &seeds, const WalkBudget &budget, const Ranges &filled)
    : heap_(heap), walker_(open_image(regions), heap.layout, kThreads) {
    const auto ranges = as_ranges(filled);
    walker_.set_budget(budget);
    walker_.image().set_filled(ranges.data(), ranges.size());
    walk(regions, heads, seeds);
}

void WalkedHeap::walk(const Ranges &regions, const Objects &heads, const Objects &seeds) {
    const HeapBuilder &heap = heap_;
    heap.table.add_rules(walker_.types());
    walker_.reader().set_running_frames(heap.running_frames.data(), heap.running_frames.size());
    walker_.read_gc_lists(heads.data(), heads.size(), 0, true);
    walker_.discover(seeds.data(), seeds.size());
    const AddressRange statics{heap.statics.start(), heap.statics.end()};
    walker_.emit(&statics, 1);
    walker_.complete();
    u64 mapped = 0;
    for (const auto &[from, to] : regions) mapped += to - from;
    check_columns(walker_, mapped);
    first_.push_back(0);
    for (u64 id = 0; id < columns().address.size(); ++id)
        first_.push_back(first_.back() + columns().out_degree[id]);
}

u32 WalkedHeap::id(u64 object) {
    CHECK(has(object));
    return walker_.object_id(object);
}

std::vector<Found> WalkedHeap::references(u64 object) {
    std::vector<Found> result;
    const Columns &rows = columns();
    const u32 source = id(object);
    for (u64 i = first_[source]; i < first_[source + 1]; ++i) {
        result.push_back({EdgeKind{rows.kind[i]}, rows.label[i], rows.address[rows.target[i]],
                          rows.edge_flags[i]});
    }
    return result;
}

Found WalkedHeap::reference(u64 object, EdgeKind kind) {
    std::vector<Found> all = references(object);
    std::erase_if(all, [kind](const Found &found) { return found.kind != kind; });
    CHECK_EQUAL(all.size(), 1);
    return all.front();
}

std::vector<u64> WalkedHeap::targets(u64 object, EdgeKind kind) {
    std::vector<u64> result;
    for (const Found &found : references(object)) {
        if (found.kind == kind) result.push_back(found.target);
    }
    return result;
}

std::string WalkedHeap::preview(u64 object) {
    const Columns &rows = columns();
    const u32 row = id(object);
    if (rows.preview_size[row] == 0) return "(none)";
    u64 start = 0;
    for (u32 before = 0; before < row; ++before)
        start += rows.preview_size[before] ? rows.preview_size[before] - 1 : 0;
    return {rows.previews.data() + start, rows.preview_size[row] - 1};
}

void WalkedHeap::check_reference_counts() {
    const Columns &rows = columns();
    for (u64 i = 0; i < rows.address.size(); ++i) {
        if (rows.flags[i] & kImmortal) continue;
        CHECK_EQUAL(rows.refcount[i],
                    rows.counted_in[i] + heap_.held_from_outside(rows.address[i]));
    }
}

}  // namespace heapgraph::test
