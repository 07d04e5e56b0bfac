// Memory that a test lays a heap into: pages between two guard pages, handed out from the front.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "check.hpp"
#include "memory_image.hpp"

namespace heapgraph::test {

constexpr u64 kPage = 4096;

class Arena {
 public:
  explicit Arena(u64 pages) : size_(pages * kPage) {
    void* place = mmap(nullptr, size_ + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(place != MAP_FAILED);
    start_ = reinterpret_cast<u64>(place) + kPage;
    CHECK(mprotect(reinterpret_cast<void*>(start_), size_, PROT_READ | PROT_WRITE) == 0);
  }
  ~Arena() { munmap(reinterpret_cast<void*>(start_ - kPage), size_ + 2 * kPage); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

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
    const u8* first = reinterpret_cast<const u8*>(start_);
    return {first, first + used_};
  }
  void restore(const std::vector<u8>& bytes) { std::memcpy(reinterpret_cast<void*>(start_), bytes.data(), bytes.size()); }
  void protect(u64 page, int protection) {
    CHECK(mprotect(reinterpret_cast<void*>(start_ + page * kPage), kPage, protection) == 0);
  }

 private:
  u64 size_;
  u64 start_ = 0;
  u64 used_ = 0;
};

template <typename T>
void put(u64 address, T value) {
  std::memcpy(reinterpret_cast<void*>(address), &value, sizeof value);
}
inline void put_word(u64 address, u64 value) { put<u64>(address, value); }
inline u64 get_word(u64 address) {
  u64 value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof value);
  return value;
}

}  // namespace heapgraph::test
