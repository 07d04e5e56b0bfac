#include "walker/edges/doubts.hpp"

#include <algorithm>
#include <mutex>

#include "walker/edges/chunk_marks.hpp"
#include "walker/edges/parallel.hpp"

namespace heapgraph {
namespace {

constexpr u32 kMostCompared = 64;  // edges of the other chunk of a pair
constexpr u64 kSizes = 4096;       // larger chunks are not the items of a list
constexpr u32 kFewestLinks = 64;   // of a list that is known as one
constexpr u64 kMostHeads = 16;     // one chunk in as many may follow none
constexpr u64 kLinksOfStray = 64;  // where there are more strays, each item has an owner of its own

class Doubts {
public:
    Doubts(const ChunkMap &chunks, ChunkEdges &edges)
        : chunks_(chunks), edges_(edges), sizes_(kSizes) {
        edges.marks.resize(chunks.count());
        follows_.resize(chunks.count() / 64 + 1);
    }

    void mark() {
        run_in_slices(chunks_.count(), 1,
                      [this](u32 begin, u32 end) { look_at_pairs(begin, end); });
        if (!find_lists()) return;
        run_in_slices(chunks_.count(), 1,
                      [this](u32 begin, u32 end) { look_for_strays(begin, end); });
        for (Size &size : sizes_) size.is_list &= size.strays * kLinksOfStray <= size.links;
        for (const Stray &stray : strays_) {
            if (!sizes_[size_of(stray.target)].is_list) continue;
            stray_edge(edges_.bytes, stray.place);
            edges_.marks[stray.source] |= mark_of(Aim::kNothing);
            edges_.has_strays = true;
        }
    }

private:
    struct Size {
        u64 chunks = 0, links = 0, strays = 0;
        bool is_list = false;
    };
    struct Stray {
        u32 source, target, place;
    };

    u64 size_of(u32 chunk) const { return chunks_.size(chunk) / kChunkStep; }
    // Whether a chunk points back; of the pair, the first such pointer is doubtful as well.
    bool points_back(u32 chunk, u32 source, bool is_compared) {
        const EdgeBytes::Places all = edges_.places(chunk);
        u32 at = all.begin;
        for (u32 seen = 0; at < all.end && seen < kMostCompared; ++seen) {
            const u32 place = at;
            if (chunk_of(next_edge(edges_.bytes, chunk, at)) != source) continue;
            if (is_compared) doubt_edge(edges_.bytes, place);  // one look for both
            return true;
        }
        return false;
    }

    // Doubts the links of pairs, notes what follows one of its size, and makes the marks.
    void look_at_pairs(u32 begin, u32 end) {
        std::vector<u64> links(kSizes);
        for (u32 source = begin; source < end; ++source) {
            if (!edges_.any(source)) continue;
            const u64 size = chunks_.size(source);
            u8 mark = 0;
            u32 seen = 0;
            edges_.each(source, [&](Target target, u32 place) {
                const u32 chunk = chunk_of(target);
                Aim aim = aim_of(target);
                const bool is_compared = seen++ < kMostCompared;
                if (chunks_.size(chunk) == size) {
                    if (aim != Aim::kDoubtful && points_back(chunk, source, is_compared)) {
                        aim = Aim::kDoubtful;
                        doubt_edge(edges_.bytes, place);
                    }
                    const u64 row = size / kChunkStep;
                    if (aim == Aim::kStart && row < kSizes) links[row] += follow(chunk);
                }
                mark |= mark_of(aim);
            });
            edges_.marks[source] = mark;
        }
        const std::lock_guard lock(mutex_);
        for (u64 row = 0; row < kSizes; ++row) sizes_[row].links += links[row];
    }
    // Whether nobody has said so yet.
    bool follow(u32 chunk) {
        const std::atomic_ref<u64> word(follows_[chunk / 64]);
        const u64 bit = u64{1} << chunk % 64;
        return !(word.fetch_or(bit, std::memory_order_relaxed) & bit);
    }

    bool find_lists() {
        const auto has_links = [](const Size &size) { return size.links >= kFewestLinks; };
        if (std::none_of(sizes_.begin(), sizes_.end(), has_links)) return false;
        for (u32 chunk = 0; chunk < chunks_.count(); ++chunk) {
            if (chunks_.use(chunk) == ChunkUse::kNative && size_of(chunk) < kSizes)
                ++sizes_[size_of(chunk)].chunks;
        }
        for (Size &size : sizes_)
            size.is_list = has_links(size) && size.chunks <= size.links + size.links / kMostHeads;
        return std::any_of(sizes_.begin(), sizes_.end(), [](const Size &s) { return s.is_list; });
    }

    // Counts pointers from elsewhere into lists, and keeps them as long as there are few.
    void look_for_strays(u32 begin, u32 end) {
        std::vector<Stray> found;
        std::vector<u64> counts(kSizes);
        for (u32 source = begin; source < end; ++source) {
            if (!(edges_.marks[source] & mark_of(Aim::kStart))) continue;
            const u64 size = size_of(source);
            edges_.each(source, [&](Target target, u32 place) {
                const u32 chunk = chunk_of(target);
                if (aim_of(target) != Aim::kStart || !follows(chunk)) return;
                const u64 row = size_of(chunk);
                if (row >= kSizes || row == size || !sizes_[row].is_list) return;
                if (++counts[row] * kLinksOfStray <= sizes_[row].links)
                    found.push_back({source, chunk, place});
            });
        }
        const std::lock_guard lock(mutex_);
        strays_.insert(strays_.end(), found.begin(), found.end());
        for (u64 row = 0; row < kSizes; ++row) sizes_[row].strays += counts[row];
    }
    bool follows(u32 chunk) const { return follows_[chunk / 64] >> chunk % 64 & 1; }

    const ChunkMap &chunks_;
    ChunkEdges &edges_;
    std::mutex mutex_;
    std::vector<Size> sizes_;
    Column<u64> follows_;  // a bit for each chunk
    std::vector<Stray> strays_;
};

}  // namespace

void mark_doubts(const ChunkMap &chunks, ChunkEdges &edges) { Doubts(chunks, edges).mark(); }

}  // namespace heapgraph
