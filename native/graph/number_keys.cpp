// Numbers in place of keys, by a table that grows: open addressing, at most half full.
#include "number_keys.h"

#include <vector>

namespace heapgraph {

namespace {

constexpr std::uint64_t kFirstSlots = 1U << 10U;
constexpr std::uint64_t kEmpty = 0;

// The finalizer of splitmix64 (Steele, Lea and Flood 2014): neighbours get places far apart.
std::uint64_t mixed(std::int64_t key) {
    auto bits = static_cast<std::uint64_t>(key);
    bits = (bits ^ (bits >> 30U)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27U)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31U);
}

class KeyTable {
public:
    explicit KeyTable(std::int64_t *distinct) : distinct_(distinct), slots_(kFirstSlots, kEmpty) {}

    std::uint64_t number_of(std::int64_t key) {
        std::uint64_t &slot = slot_of(key);
        if (slot != kEmpty) return slot - 1;
        distinct_[count_] = key;
        slot = ++count_;
        const std::uint64_t number = count_ - 1;
        if (2 * count_ > slots_.size()) grow();
        return number;
    }

    std::uint64_t count() const { return count_; }

private:
    // A slot has a number plus one.
    std::uint64_t &slot_of(std::int64_t key) {
        const std::uint64_t mask = slots_.size() - 1;
        std::uint64_t place = mixed(key) & mask;
        while (slots_[place] != kEmpty && distinct_[slots_[place] - 1] != key) {
            place = (place + 1) & mask;
        }
        return slots_[place];
    }

    void grow() {
        slots_.assign(2 * slots_.size(), kEmpty);
        for (std::uint64_t number = 0; number < count_; ++number) {
            slot_of(distinct_[number]) = number + 1;
        }
    }

    std::int64_t *distinct_;
    std::vector<std::uint64_t> slots_;
    std::uint64_t count_ = 0;
};

}  // namespace

std::uint64_t number_keys(std::uint64_t count, const std::int64_t *keys, std::int64_t *numbers,
                          std::int64_t *distinct) {
    KeyTable table(distinct);
    for (std::uint64_t row = 0; row < count; ++row) {
        numbers[row] = static_cast<std::int64_t>(table.number_of(keys[row]));
    }
    return table.count();
}

}  // namespace heapgraph
