// Random damage: whatever a heap looks like, a walk ends, stays inside of the memory, and makes
// columns that hold together.
#include <algorithm>
#include <random>

#include "tests.hpp"
#include "walked_heap.hpp"
#include "zoo.hpp"

namespace heapgraph::test {
namespace {

class Damage {
public:
    Damage(HeapBuilder &heap, const Objects &objects, unsigned seed)
        : heap_(heap), objects_(objects), random_(seed) {}

    u64 below(u64 limit) { return random_() % limit; }

    // One change: of a word of some object more often than of any other place.
    void strike() {
        const u64 word = below(3) ? any_object() + below(16) * 8 - 32 : any_word();
        if (!is_inside(word)) return;
        switch (below(9)) {
        case 0: put<u8>(word + below(8), static_cast<u8>(random_())); break;
        case 1: put_word(word, random_()); break;
        case 2: put_word(word, below(16)); break;
        case 3: put_word(word, any_object()); break;
        case 4: put_word(word, any_object() + below(128)); break;
        case 5: put_word(word, u64{1} << below(64)); break;
        case 6: put_word(word, -below(64)); break;
        case 7: swap(word, any_word()); break;
        default: put_word(word, get_word(word) ^ u64{1} << below(64)); break;
        }
    }

    // The heap in one region or in several, some without a page in between.
    Ranges regions() {
        Ranges result{{heap_.statics.start(), heap_.statics.end()}};
        const u64 first = heap_.data.start();
        const u64 pages = (heap_.data.end() - first) / kPage;
        const u64 cut = 1 + below(pages - 1), gap = below(4) ? 0 : 1;
        result.emplace_back(first, first + cut * kPage);
        if (cut + gap < pages) result.emplace_back(first + (cut + gap) * kPage, heap_.data.end());
        std::sort(result.begin(), result.end());
        return result;
    }

private:
    bool is_inside(u64 word) const { return in(heap_.data, word) || in(heap_.statics, word); }
    static bool in(const Arena &arena, u64 word) {
        return word >= arena.start() && word + 8 <= arena.start() + arena.used();
    }
    u64 any_object() { return objects_[below(objects_.size())]; }
    u64 any_word() {
        const Arena &arena = below(4) ? heap_.data : heap_.statics;
        return arena.start() + below(arena.used() / 8) * 8;
    }
    void swap(u64 one, u64 other) {
        const u64 kept = get_word(one);
        put_word(one, get_word(other));
        put_word(other, kept);
    }

    HeapBuilder &heap_;
    const Objects &objects_;
    std::mt19937_64 random_;
};

}  // namespace

void test_random_damage(const LayoutTable &table, unsigned seed, int rounds) {
    HeapBuilder heap(table, 16);
    build_zoo(heap);
    const std::vector<u8> data = heap.data.save(), statics = heap.statics.save();
    const WalkedHeap sound(heap);
    const Objects objects(sound.columns().address.begin(), sound.columns().address.end());
    u64 found = 0, invalid = 0;
    for (int round = 0; round < rounds; ++round) {
        std::snprintf(current_case, sizeof current_case, "3.%d, damage of seed %u",
                      static_cast<int>(table.layout.version >> 8 & 0xff), seed + round);
        heap.data.restore(data);
        heap.statics.restore(statics);
        Damage damage(heap, objects, seed + round);
        for (u64 left = 1 + damage.below(round % 4 ? 8 : 200); left > 0; --left) damage.strike();
        const u64 hole = damage.below(8) ? 0 : damage.below(16);
        if (hole) heap.data.take_away(hole);
        const WalkedHeap walked(heap, damage.regions(), {heap.gc_head}, objects);
        if (hole) heap.data.put_back(hole);
        found += walked.counts().objects;
        invalid += walked.counts().invalid_references;
    }
    // Damage is found, and does not hide most of the heap.
    CHECK(invalid > static_cast<u64>(rounds));
    CHECK(found > objects.size() * rounds / 4);
    std::printf("%s: %d rounds, %llu objects, %llu invalid references\n", current_case, rounds,
                static_cast<unsigned long long>(found), static_cast<unsigned long long>(invalid));
}

}  // namespace heapgraph::test
