// The columns of the walk. They are as narrow as their values allow and grow where they lie: the
// walk's peak is when they are nearly whole and the copy of the target's memory is still there.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "walker/image/memory_image.hpp"

namespace heapgraph {

// Rows in pages of their own: the kernel moves them when there must be room for more, so that there
// is never a second copy, and room that is not used costs nothing.
template <typename T>
class Column {
public:
    Column() = default;
    ~Column() { clear(); }
    Column(Column &&other) noexcept { swap(other); }
    Column &operator=(Column &&other) noexcept {
        swap(other);
        return *this;
    }

    void push_back(T value) {
        if (size_ == capacity_) make_room(size_ + 1);
        data_[size_++] = value;
    }
    void append(const T *values, u64 count) {
        if (size_ + count > capacity_) make_room(size_ + count);
        std::copy(values, values + count, data_ + size_);
        size_ += count;
    }
    // Room for so many rows in all: until there are more, those that are there stay where they are.
    void reserve(u64 rows) {
        if (rows > capacity_) make_room(rows);
    }
    bool has_room(u64 rows) const { return rows <= capacity_ - size_; }
    // Zeros behind the rows that are there, but for rows that were dropped.
    void resize(u64 size) {
        reserve(size);
        size_ = size;
    }
    void put(u64 first, const Column &rows) { std::copy(rows.begin(), rows.end(), data_ + first); }
    // No rows; their room stays.
    void drop_rows() { size_ = 0; }
    // Gives back the room that is not used.
    void give_back() {
        const u64 bytes =
            (std::max<u64>(size_ * sizeof(T), 1) + kMinBytes - 1) / kMinBytes * kMinBytes;
        if (data_ == nullptr || bytes >= capacity_ * sizeof(T)) return;
        munmap(reinterpret_cast<char *>(data_) + bytes, capacity_ * sizeof(T) - bytes);
        capacity_ = bytes / sizeof(T);
    }
    void clear() {
        if (data_) munmap(data_, capacity_ * sizeof(T));
        data_ = nullptr;
        size_ = capacity_ = 0;
    }

    T &operator[](u64 row) { return data_[row]; }
    const T &operator[](u64 row) const { return data_[row]; }
    u64 size() const { return size_; }
    const T *data() const { return data_; }
    const T *begin() const { return data_; }
    const T *end() const { return data_ + size_; }

private:
    static constexpr u64 kMinBytes = 1 << 16;

    void swap(Column &other) {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }
    void make_room(u64 rows) {
        const u64 least = std::max(kMinBytes, std::max(rows, 2 * capacity_) * sizeof(T));
        const u64 bytes = (least + kMinBytes - 1) / kMinBytes * kMinBytes;
        void *place = data_ ? mremap(data_, capacity_ * sizeof(T), bytes, MREMAP_MAYMOVE)
                            : mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED) throw std::bad_alloc();
        data_ = static_cast<T *>(place);
        capacity_ = bytes / sizeof(T);
    }

    T *data_ = nullptr;
    u64 size_ = 0, capacity_ = 0;
};

// Numbers that are small but for a few, which lie in a list beside.
template <typename T>
class NarrowColumn {
public:
    static constexpr T kElsewhere = std::numeric_limits<T>::max();
    using Large = hg_large_value;

    void push_back(u64 value) {
        if (value >= kElsewhere) large_.push_back({rows_.size(), value});
        rows_.push_back(value >= kElsewhere ? kElsewhere : static_cast<T>(value));
    }
    // A row that is there already. Those that have no room go to a list of the caller's, who adds
    // it when all rows before have been added.
    void put(u64 row, u64 value, std::vector<Large> &large) {
        if (value >= kElsewhere) large.push_back({row, value});
        rows_[row] = value >= kElsewhere ? kElsewhere : static_cast<T>(value);
    }
    void add_large(std::vector<Large> &large) {
        large_.insert(large_.end(), large.begin(), large.end());
        large.clear();
    }
    u64 operator[](u64 row) const {
        if (rows_[row] != kElsewhere) return rows_[row];
        const auto before = [](const Large &large, u64 wanted) { return large.row < wanted; };
        return std::lower_bound(large_.begin(), large_.end(), row, before)->value;
    }
    void resize(u64 size) { rows_.resize(size); }
    u64 size() const { return rows_.size(); }
    const T *data() const { return rows_.data(); }
    const std::vector<Large> &large() const { return large_; }
    void clear() {
        rows_.clear();
        large_ = {};
    }

private:
    Column<T> rows_;
    std::vector<Large> large_;  // by row
};

// Numbers of heapgraph/model.py: ObjectFlags.
constexpr u16 kIsGc = 1, kGcTracked = 2, kImmortal = 4, kIsType = 8, kStatic = 16, kInterned = 32;

struct Columns {
    NarrowColumn<u16> type;
    NarrowColumn<u16> shallow;
    NarrowColumn<u16> getsizeof_;
    NarrowColumn<u16> refcount;
    Column<u16> flags;
    Column<u8> age;       // see ages.cpp
    Column<u8> age_part;  // finer
    NarrowColumn<u16> out_degree;
    NarrowColumn<u8>
        preview_size;  // bytes of each object's preview in `previews`, plus one; 0: it has none
    Column<char> previews;
    Column<u32> target;
    Column<u32> label;
    Column<u8> kind;
    Column<u8> edge_flags;
    // Made last, when the memory may be given back (Walker::complete).
    Column<u64> address;
    Column<u32> counted_in;  // references counted in the target's refcount, per object
};

}  // namespace heapgraph
