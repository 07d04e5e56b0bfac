#include "walker/owners/strays.hpp"

#include <algorithm>

namespace heapgraph {
namespace {

constexpr u64 kSizes = 4096;       // larger chunks are not the items of a list
constexpr u32 kFewestLinks = 64;   // of a list that is known as one
constexpr u64 kMostHeads = 16;     // one chunk in as many may follow none
constexpr u64 kLinksOfStray = 64;  // where there are more strays, each item has an owner of its own

class Strays {
public:
    Strays(const ChunkMap &chunks, ChunkEdges &edges)
        : chunks_(chunks), edges_(edges), sizes_(kSizes) {}

    void mark() {
        follows_.resize(chunks_.count() / 64 + 1);
        each_start_edge([&](u32 source, u32 target, u32) {
            if (size_of(source) == size_of(target) && !follows(target)) {
                follows_[target / 64] |= u64{1} << target % 64;
                ++sizes_[size_of(target)].links;
            }
        });
        if (!find_lists()) return;
        each_start_edge([&](u32 source, u32 target, u32) {
            if (is_stray(source, target)) ++sizes_[size_of(target)].strays;
        });
        for (Size &size : sizes_) size.is_list &= size.strays * kLinksOfStray <= size.links;
        each_start_edge([&](u32 source, u32 target, u32 place) {
            if (!is_stray(source, target)) return;
            stray_edge(edges_.bytes, place);
            edges_.has_strays = true;
        });
    }

private:
    struct Size {
        u64 chunks = 0, links = 0, strays = 0;
        bool is_list = false;
    };

    u64 size_of(u32 chunk) const { return chunks_.size(chunk) / kChunkStep; }
    bool follows(u32 chunk) const { return follows_[chunk / 64] >> chunk % 64 & 1; }
    bool is_stray(u32 source, u32 target) const {
        const u64 size = size_of(target);
        return sizes_[size].is_list && size_of(source) != size && follows(target);
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

    // Visits (source, target, place in the bytes) of the pointers to the starts of small chunks.
    template <typename Visit>
    void each_start_edge(Visit visit) {
        for (u32 source = 0; source < chunks_.count(); ++source) {
            for (u32 at = edges_.offsets[source]; at < edges_.offsets[source + 1];) {
                const u32 place = at;
                const Target target = next_edge(edges_.bytes, source, at);
                if (aim_of(target) == Aim::kStart && size_of(chunk_of(target)) < kSizes)
                    visit(source, chunk_of(target), place);
            }
        }
    }

    const ChunkMap &chunks_;
    ChunkEdges &edges_;
    std::vector<Size> sizes_;
    Column<u64> follows_;  // a bit for each chunk
};

}  // namespace

void mark_strays(const ChunkMap &chunks, ChunkEdges &edges) { Strays(chunks, edges).mark(); }

}  // namespace heapgraph
