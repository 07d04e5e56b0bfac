// What a heap claims without having it: each costs no more than what is there.
#include <fcntl.h>

#include <algorithm>
#include <chrono>

#include "tests.hpp"
#include "walked_heap.hpp"

namespace heapgraph::test {
namespace {

constexpr u64 kTebibyte = u64{1} << 40;
constexpr WalkBudget kNoLimit{};

// Address space without memory behind it.
class Reservation {
public:
    explicit Reservation(u64 size) : size_(size) {
        void *place = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(place != MAP_FAILED);
        start_ = reinterpret_cast<u64>(place);
    }
    ~Reservation() { munmap(reinterpret_cast<void *>(start_), size_); }
    Reservation(const Reservation &) = delete;
    Reservation &operator=(const Reservation &) = delete;

    u64 start() const { return start_; }
    u64 end() const { return start_ + size_; }

private:
    u64 size_;
    u64 start_ = 0;
};

Ranges with(const HeapBuilder &heap, Ranges others) {
    others.emplace_back(heap.data.start(), heap.data.end());
    others.emplace_back(heap.statics.start(), heap.statics.end());
    std::sort(others.begin(), others.end());
    return others;
}

u64 resident_bytes() {
    u64 pages = 0, resident = 0;
    FILE *file = std::fopen("/proc/self/statm", "r");
    CHECK(file != nullptr && std::fscanf(file, "%lu %lu", &pages, &resident) == 2);
    std::fclose(file);
    return resident * kPage;
}

class Stopwatch {
public:
    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    }

private:
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void check_lists_of_one_buffer(const LayoutTable &table) {
    constexpr u64 kItems = 2000, kLists = 300;
    HeapBuilder heap(table, 64);
    const u64 first = heap.list(Objects(kItems, heap.number(1)));
    Objects lists;
    for (u64 i = 0; i < kLists; ++i) {
        lists.push_back(heap.list({}));
        put_word(lists.back() + heap.layout.list_item,
                 get_word(first + heap.layout.list_item) + i % 3 * 8);
        put_word(lists.back() + heap.layout.var_size, kItems - 2);
    }
    WalkedHeap walked(heap);
    u64 owners = 0;
    for (const u64 list : lists) owners += !walked.targets(list, EdgeKind::kIndex).empty();
    CHECK(owners + !walked.targets(first, EdgeKind::kIndex).empty() == 1);
    CHECK_EQUAL(walked.counts().shared_tables, kLists);
}

// Tuples that lie in one another.
void check_overlapping_tuples(const LayoutTable &table) {
    HeapBuilder heap(table, 64);
    const u64 outer = heap.tuple(Objects(4000, heap.number(1)));
    Objects inner;
    for (u64 i = 100; i < 3000; i += 4) {
        const u64 at = outer + heap.layout.tuple_item + i * 8;
        put_word(at + heap.layout.refcount, 1);
        put_word(at + heap.layout.type, heap.tuple_type);
        put_word(at + heap.layout.var_size, 900);
        inner.push_back(at);
    }
    WalkedHeap walked(heap, inner);
    CHECK(walked.counts().references < 10000);
    CHECK(walked.counts().shared_tables >= inner.size());
}

// A list of a hundred billion items, a set and an array of a module: nothing of it was ever
// written.
void check_tables_of_nothing(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Reservation empty(kTebibyte);
    const u64 number = heap.hold(heap.number(5)), list = heap.list({}), set = heap.set({number});
    put_word(list + heap.layout.list_item, empty.start());
    put_word(list + heap.layout.var_size, kTebibyte / 8);
    put_word(set + heap.layout.set_table, empty.start());
    put_word(set + heap.layout.set_mask, kTebibyte / 16 - 1);
    put_word(empty.start() + kTebibyte / 2, number);  // one page of it is there
    const u64 written = empty.start() + kTebibyte / 2 / kPage * kPage;
    const Ranges filled = with(heap, {{written, written + kPage}});
    const u64 before = resident_bytes();
    const Stopwatch watch;
    WalkedHeap walked(heap, with(heap, {{empty.start(), empty.end()}}), {heap.gc_head}, {number},
                      kNoLimit, filled);
    CHECK(walked.targets(list, EdgeKind::kIndex) == Objects{number});
    CHECK(walked.targets(set, EdgeKind::kMember).size() <= 1);
    CHECK(watch.seconds() < 5);
    CHECK(resident_bytes() < before + (32 << 20));
}

// Regions of many terabytes without anything in them, and objects at both ends of one.
void check_reservations(const LayoutTable &table) {
    HeapBuilder heap(table);
    const Reservation empty(8 * kTebibyte);
    const u64 list = heap.list({0, 0});
    const u64 ends[] = {empty.start() + 64, empty.end() - 4 * kPage};
    for (int i = 0; i < 2; ++i) {
        std::memcpy(reinterpret_cast<void *>(ends[i]), reinterpret_cast<void *>(heap.number(i)),
                    32);
        put_word(ends[i] + heap.layout.refcount, 1);
        put_word(get_word(list + heap.layout.list_item) + i * 8, ends[i]);
    }
    const Stopwatch watch;
    WalkedHeap walked(heap, with(heap, {{empty.start(), empty.end()}}), {heap.gc_head}, {});
    CHECK((walked.targets(list, EdgeKind::kIndex) == Objects{ends[0], ends[1]}));
    CHECK(watch.seconds() < 5);
}

void check_limits(const LayoutTable &table) {
    HeapBuilder heap(table, 64);
    Objects numbers;
    for (u64 i = 0; i < 500; ++i) numbers.push_back(heap.number(i));
    heap.list(numbers);
    const Ranges all = with(heap, {});
    const WalkedHeap whole(heap, all, {heap.gc_head}, {});
    CHECK_EQUAL(whole.counts().left_out, 0);
    const WalkedHeap few_objects(heap, all, {heap.gc_head}, {}, {.objects = 100}, all);
    CHECK(few_objects.counts().objects == 100 && few_objects.counts().left_out > 0);
    const WalkedHeap few_references(heap, all, {heap.gc_head}, {}, {.references = 100}, all);
    CHECK(few_references.counts().references <= 100 && few_references.counts().left_out > 0);
    const WalkedHeap few_tables(heap, all, {heap.gc_head}, {}, {.table_bytes = 1000}, all);
    CHECK(few_tables.counts().objects < whole.counts().objects && few_tables.counts().left_out > 0);
    const WalkedHeap few_bytes(heap, all, {heap.gc_head}, {}, {.image_bytes = 8 * kPage}, all);
    CHECK(few_bytes.counts().bytes_read <= 8 * kPage && few_bytes.counts().left_out > 0);
}

// More than is handed over at once and than a part keeps, objects of several parts, and numbers
// that have no room in a narrow column.
void check_large_numbers(const LayoutTable &table) {
    constexpr u64 kItems = 600000, kNumbers = 60000;
    HeapBuilder heap(table, (kItems * 8 + kNumbers * 64) / kPage + 64);
    Objects items;
    for (u64 i = 0; i < kNumbers; ++i) items.push_back(heap.number(i));
    for (u64 i = kNumbers; i < kItems; ++i) items.push_back(items[i % kNumbers]);
    const u64 list = heap.list(items), text = heap.hold(heap.bytes("short"));
    put_word(text + heap.layout.var_size, u64{5} << 32);
    const bool has_wide_counts = !table.at_least(12);
    if (has_wide_counts) put_word(text + heap.layout.refcount, u64{3} << 33);
    WalkedHeap walked(heap, {text});
    CHECK(walked.targets(list, EdgeKind::kIndex) == items);
    CHECK_EQUAL(walked.columns().out_degree[walked.id(list)], kItems + 1);  // and its type
    CHECK(walked.getsizeof_(text) > u64{5} << 32 && walked.shallow(text) > u64{5} << 32);
    if (has_wide_counts) CHECK_EQUAL(walked.columns().refcount[walked.id(text)], u64{3} << 33);
    const std::vector<Found> found = walked.references(list);
    for (u64 i = 0, index = 0; i < found.size(); ++i) {
        if (found[i].kind == EdgeKind::kIndex) CHECK_EQUAL(found[i].label, index++);
    }
}

int memory_file(u64 size, bool sealed) {
    const int file = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(file >= 0 && ftruncate(file, static_cast<off_t>(size)) == 0);
    for (u64 at = 0; at < size; at += 8) {
        const u64 word = at + 1;
        CHECK(pwrite(file, &word, 8, static_cast<off_t>(at)) == 8);
    }
    if (sealed) CHECK(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return file;
}

constexpr u64 kPiece = 256 << 10, kSomewhere = u64{1} << 40;

std::unique_ptr<MemoryImage> image_of(std::vector<FilePiece> pieces, u64 size) {
    const AddressRange region{kSomewhere, kSomewhere + size};
    auto image = MemoryImage::open(std::move(pieces), &region, 1);
    CHECK(image != nullptr);
    return image;
}

// Pieces of a sealed file of memory are mapped: nothing is copied, whatever the order of their
// places in the file.
void check_mapped_pieces() {
    const u64 file = static_cast<u64>(memory_file(2 * kPiece, true));
    const auto image = image_of({{kSomewhere, kPiece, file, kPiece, kPiece},
                                 {kSomewhere + kPiece, kPiece, file, 0, kPiece},
                                 {kSomewhere + 2 * kPiece + kPage, 100, file, 8, 100}},
                                3 * kPiece);
    CHECK_EQUAL(image->u64_at(kSomewhere + 16), kPiece + 17);
    CHECK_EQUAL(image->u64_at(kSomewhere + kPiece + 16), 17);
    const View across = image->view(kSomewhere + kPiece - 8, 16);
    CHECK(across.u64_at(0) == 2 * kPiece - 7 && across.u64_at(8) == 1);
    CHECK(image->load(kSomewhere, kSomewhere + 2 * kPiece));
    CHECK_EQUAL(image->bytes_read(), 0);
    // A small piece is read, what no piece has is a hole.
    CHECK_EQUAL(image->u64_at(kSomewhere + 2 * kPiece + kPage), 9);
    CHECK_EQUAL(image->u64_at(kSomewhere + 2 * kPiece), 0);
    CHECK(image->bytes_read() == 100 && image->bytes_unreadable() > 0);
    image->forget();
    CHECK(!image->view(kSomewhere, 8));
    close(static_cast<int>(file));
}

// What may become shorter is read: to touch a page that is gone would end the process.
void check_pieces_that_are_read() {
    const int unsealed = memory_file(kPiece, false);
    const FilePiece whole{kSomewhere, kPiece, static_cast<u64>(unsealed), 0, kPiece};
    const auto image = image_of({whole}, kPiece);
    CHECK(ftruncate(unsealed, kPage) == 0);
    CHECK_EQUAL(image->u64_at(kSomewhere + kPage - 8), kPage - 7);
    CHECK_EQUAL(image->u64_at(kSomewhere + 2 * kPage), 0);
    // Sealed, but shorter than the piece says; and pieces that begin within a page.
    CHECK(fcntl(unsealed, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    CHECK_EQUAL(image_of({whole}, kPiece)->u64_at(kSomewhere + kPiece - 8), 0);
    const u64 sealed = static_cast<u64>(memory_file(2 * kPiece, true));
    const auto odd = image_of({{kSomewhere, kPiece, sealed, 24, kPiece}}, kPiece);
    CHECK(odd->u64_at(kSomewhere) == 25 && odd->bytes_read() == kPiece);
    close(unsealed);
    close(static_cast<int>(sealed));
}

// A page in use makes one page of ours, not a block of 256 KiB.
void check_sparse_pages() {
    constexpr u64 kStep = 2 << 20, kPages = 200;
    const Reservation sparse(kStep * kPages);
    std::vector<AddressRange> filled;
    for (u64 i = 0; i < kPages; ++i) {
        put_word(sparse.start() + i * kStep, i + 1);
        filled.push_back({sparse.start() + i * kStep, sparse.start() + i * kStep + kPage});
    }
    const AddressRange region{sparse.start(), sparse.end()};
    const auto image = MemoryImage::open(own_memory(), &region, 1);
    image->set_filled(filled.data(), kPages);
    const u64 before = resident_bytes();
    CHECK(image->load(region.start, region.end));
    CHECK_EQUAL(image->bytes_read(), kPages * kPage);
    CHECK(resident_bytes() < before + 4 * kPages * kPage);
    CHECK_EQUAL(image->u64_at(region.start + 7 * kStep), 8);
    CHECK(!image->view(region.start + kStep / 2, 8));
}

}  // namespace

void test_budget(const LayoutTable &table) {
    check_lists_of_one_buffer(table);
    check_overlapping_tuples(table);
    check_tables_of_nothing(table);
    check_reservations(table);
    check_limits(table);
    check_large_numbers(table);
}

void test_images() {
    check_mapped_pieces();
    check_pieces_that_are_read();
    check_sparse_pages();
}

}  // namespace heapgraph::test
