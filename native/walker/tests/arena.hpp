// Memory that a test lays a heap into: pages between two guard pages, handed out from the front.
// Behind them lies the place of a page that was taken away.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "check.hpp"
#include "walker/image/memory_image.hpp"

namespace heapgraph::test {

constexpr u64 kPage = 4096;

class Arena {
public:
    explicit Arena(u64 pages) : size_(pages * kPage) {
        void *place =
            mmap(nullptr, size_ + 3 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(place != MAP_FAILED);
        start_ = reinterpret_cast<u64>(place) + kPage;
        CHECK(mprotect(reinterpret_cast<void *>(start_), size_, PROT_READ | PROT_WRITE) == 0);
    }
    ~Arena() { munmap(reinterpret_cast<void *>(start_ - kPage), size_ + 3 * kPage); }
    Arena(const Arena &) = delete;
    Arena &operator=(const Arena &) = delete;

    u64 start() const { return start_; }
    u64 end() const { return start_ + size_; }
    u64 used() const { return used_; }

    // Zeroed bytes at a multiple of 16, as the allocators of CPython give them.
    u64 allocate(u64 bytes) {
        used_ = (used_ + 15) & ~u64{15};
        CHECK(used_ + bytes <= size_);
        const u64 address = start_ + used_;
        used_ += bytes;
        return address;
    }
    // Makes the next allocation end exactly where the region ends.
    void leave_only(u64 bytes) { used_ = size_ - bytes; }

    std::vector<u8> save() const {
        const u8 *first = reinterpret_cast<const u8 *>(start_);
        return {first, first + used_};
    }
    void restore(const std::vector<u8> &bytes) {
        std::memcpy(reinterpret_cast<void *>(start_), bytes.data(), bytes.size());
    }
    // Puts a page out of reach, and back. No protection would do: whoever may trace a process may
    // read its protected pages, but nobody what is beyond the end of a file.
    void take_away(u64 page) {
        const u64 address = start_ + page * kPage;
        move(address, start_ + size_ + kPage);
        const int empty = memfd_create("empty", MFD_CLOEXEC);
        CHECK(empty >= 0);
        CHECK(mmap(reinterpret_cast<void *>(address), kPage, PROT_READ, MAP_SHARED | MAP_FIXED,
                   empty, 0) != MAP_FAILED);
        close(empty);
    }
    void put_back(u64 page) {
        const u64 parked = start_ + size_ + kPage;
        move(parked, start_ + page * kPage);
        CHECK(mmap(reinterpret_cast<void *>(parked), kPage, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
    }

private:
    static void move(u64 from, u64 to) {
        void *place =
            mremap(reinterpret_cast<void *>(from), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        CHECK(place == reinterpret_cast<void *>(to));
    }

    u64 size_;
    u64 start_ = 0;
    u64 used_ = 0;
};

template <typename T>
void put(u64 address, T value) {
    std::memcpy(reinterpret_cast<void *>(address), &value, sizeof value);
}
inline void put_word(u64 address, u64 value) { put<u64>(address, value); }
inline u64 get_word(u64 address) {
    u64 value;
    std::memcpy(&value, reinterpret_cast<const void *>(address), sizeof value);
    return value;
}

}  // namespace heapgraph::test
