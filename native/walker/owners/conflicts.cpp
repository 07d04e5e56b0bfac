#include "walker/owners/conflicts.hpp"

#include <mutex>

#include "walker/edges/parallel.hpp"
#include "walker/owners/block_reader.hpp"
#include "walker/owners/bridges.hpp"
#include "walker/owners/sources.hpp"

namespace heapgraph {
namespace {

// Who leads where may be seen better when what is plain was doubted; not after a few.
constexpr unsigned kMostRounds = 3, kMostReturns = 8;
constexpr u64 kFewDoubted = 64;
constexpr u64 kBlocksOfTask = 256;
constexpr u64 kMostCounted = 1 << 14;  // blocks whose spots are counted
constexpr u64 kMostWeak = 1 << 18;     // of all; more are left as they are
constexpr u64 kMostSpots = 1 << 12;    // of a block
constexpr u64 kUsual = 4;              // blocks that have a pointer where it is usual

// What is believed less than before.
struct Doubted {
    struct Edge {
        u32 target, place;
        u8 before;
    };
    std::vector<std::pair<u64, Target>> entries;  // row, what it was
    std::vector<Edge> edges;
    std::vector<u32> sources;  // of these edges

    u64 count() const { return entries.size() + edges.size(); }
};

class Conflicts {
public:
    Conflicts(MemoryImage &image, const ChunkMap &chunks, const Contested &contested,
              const Reached &reached, ChunkEdges &edges, const Bits &is_given_back)
        : image_(image), chunks_(chunks), contested_(contested), edges_(edges),
          is_given_back_(is_given_back), is_sure_(chunks.count()),
          blocks_(find_sources(chunks, contested, reached, edges, is_sure_)) {}

    Doubted doubt(ObjectWords *words, std::vector<Entry> &objects) {
        count_spots();
        look_at_entries(words, objects);
        look_at_blocks();
        Doubted doubted;
        if (weak_count_ > kMostWeak) return doubted;
        doubt_entries(objects, doubted);
        doubt_edges(doubted);
        return doubted;
    }

private:
    using Sizes = std::map<u64, u64>;  // blocks of each size

    // An edge that is doubted where a better one leads to its target.
    struct Weak {
        u32 source, target;
        bool is_odd;
        Place place;

        auto operator<=>(const Weak &) const = default;
        bool is_edge(const Weak &other) const {
            return source == other.source && target == other.target;
        }
    };

    SourceBlock block_at(u64 start) const {
        const u32 chunk = chunks_.find(start).chunk;
        return {chunk, start, has_header(chunks_, chunk)};
    }
    // Calls take(block, reader) of a worker for all blocks that it wants, of every so many; each
    // thread has a worker of its own, and at last finish() is called, one after the other.
    template <typename Worker>
    void each_block(u64 step, const Worker &worker) {
        const u64 count = (blocks_.size() + step - 1) / step;
        run_in_parallel((count + kBlocksOfTask - 1) / kBlocksOfTask, [&](Tasks &tasks) {
            BlockReader reader(image_, chunks_, contested_);
            Worker own = worker;
            for (u64 i; tasks.take(i);) {
                const u64 end = std::min<u64>(count, (i + 1) * kBlocksOfTask);
                for (u64 row = i * kBlocksOfTask; row < end; ++row) {
                    const SourceBlock block = block_at(blocks_[row * step]);
                    if (!own.is_wanted(block)) continue;
                    reader.read(block);
                    own.take(block, reader);
                }
            }
            const std::lock_guard lock(mutex_);
            own.finish();
        });
    }

    void count_spots() {
        struct Count {
            Conflicts &all;
            UsualSpots spots{};
            bool is_wanted(const SourceBlock &) const { return true; }
            void take(const SourceBlock &, const BlockReader &reader) {
                const u64 count = std::min<u64>(reader.found().size(), kMostSpots);
                for (u64 row = 0; row < count; ++row) spots.add(reader.found()[row].spot);
            }
            void finish() { all.spots_.add(spots); }
        };
        each_block(blocks_.size() / kMostCounted + 1, Count{*this});
        spots_.settle();
    }

    void look_at_blocks() {
        struct Look {
            Conflicts &all;
            std::vector<Weak> weak{};
            std::vector<u32> sure{};
            bool is_wanted(const SourceBlock &) const { return true; }
            void take(const SourceBlock &block, const BlockReader &reader) {
                const auto is_weak = [&](const Found &each) {
                    return reader.is_data() || all.is_odd(block, each);
                };
                sure.clear();
                for (const Found &each : reader.found()) {
                    if (!is_weak(each)) sure.push_back(each.target);
                }
                for (const u32 target : sure) all.is_sure_.set(target);
                const u64 count = reader.found().size() - sure.size();
                if (count == 0 || (all.weak_count_ += count) > kMostWeak) return;
                std::sort(sure.begin(), sure.end());
                for (const Found &each : reader.found()) {
                    if (std::binary_search(sure.begin(), sure.end(), each.target)) continue;
                    const Place place{all.chunks_.size(block.chunk), each.offset, each.spot};
                    weak.push_back({block.chunk, each.target, all.is_odd(block, each), place});
                }
            }
            void finish() { all.weak_.insert(all.weak_.end(), weak.begin(), weak.end()); }
        };
        each_block(1, Look{*this});
        if (weak_count_ > kMostWeak) return;
        std::sort(weak_.begin(), weak_.end());
        believe_usual();
    }
    // Of what lies in data, what several blocks have at the same place, or all of a size.
    void believe_usual() {
        std::vector<Place> places;
        for (const Weak &each : weak_) {
            if (!each.is_odd) places.push_back(each.place);
        }
        if (places.empty()) return;
        std::sort(places.begin(), places.end());
        places.erase(std::unique(places.begin(), places.end()), places.end());
        std::vector<u64> counts(places.size());
        const Sizes sizes = count_places(places, counts);
        const auto is_usual = [&](const Weak &each) {
            if (each.is_odd) return false;
            const u64 count = counts[row_of(places, each.place)];
            return count >= kUsual || (count > 1 && count == sizes.at(each.place.size));
        };
        std::vector<Weak> left;
        for (u64 first = 0, end; first < weak_.size(); first = end) {
            for (end = first; end < weak_.size() && weak_[end].is_edge(weak_[first]);) ++end;
            if (std::any_of(weak_.begin() + first, weak_.begin() + end, is_usual))
                is_sure_.set(weak_[first].target);
            else
                left.insert(left.end(), weak_.begin() + first, weak_.begin() + end);
        }
        weak_ = std::move(left);
    }
    static u64 row_of(const std::vector<Place> &places, const Place &place) {
        return static_cast<u64>(std::lower_bound(places.begin(), places.end(), place) -
                                places.begin());
    }
    // Counts the blocks that have a pointer at each place. Returns how many of each size there are.
    Sizes count_places(const std::vector<Place> &places, std::vector<u64> &counts) {
        struct Count {
            Conflicts &all;
            const std::vector<Place> &places;
            const Sizes &sizes;
            std::vector<u64> &counts;
            bool is_wanted(const SourceBlock &block) const {
                return sizes.count(all.chunks_.size(block.chunk)) != 0;
            }
            void take(const SourceBlock &block, const BlockReader &reader) {
                for (const Found &each : reader.found()) {
                    const Place place{all.chunks_.size(block.chunk), each.offset, each.spot};
                    const u64 row = row_of(places, place);
                    if (row < places.size() && places[row] == place)
                        std::atomic_ref<u64>(counts[row]).fetch_add(1, std::memory_order_relaxed);
                }
            }
            void finish() {}
        };
        Sizes sizes;
        for (const Place &place : places) sizes[place.size] = 0;
        for (const u64 start : blocks_) {
            const auto size = sizes.find(chunks_.size(block_at(start).chunk));
            if (size != sizes.end()) ++size->second;
        }
        each_block(1, Count{*this, places, sizes, counts});
        return sizes;
    }
    bool is_odd(const SourceBlock &block, const Found &found) const {
        return found.is_doubtful ||
               edges_.says_size.get(block.chunk) != edges_.says_size.get(found.target) ||
               spots_.is_odd(found.spot);
    }

    // The entries of an object, but for some at the end, stand together. Those that are no words of
    // it (identifiers, tables of other libraries) are believed.
    void look_at_entries(ObjectWords *words, const std::vector<Entry> &objects) {
        std::vector<u32> odd;
        u32 known = kNoChunk;  // of which object these are
        for (u64 row = 0; row < objects.size(); ++row) {
            const Entry &entry = objects[row];
            const u32 chunk = chunk_of(entry.target);
            if (!contested_.get(chunk)) continue;
            if (words != nullptr && entry.source != known)
                odd = odd_of(*words, known = entry.source);
            if (std::binary_search(odd.begin(), odd.end(), chunk))
                odd_entries_.push_back(row);
            else
                is_sure_.set(chunk);
        }
    }
    // Contested chunks that the words of an object lead to, none of them as is usual; rising.
    std::vector<u32> odd_of(ObjectWords &words, u32 object) const {
        std::vector<std::pair<u32, bool>> found;  // chunk, whether the word is odd
        words.each_word(object, [&](u64 word) {
            const u32 chunk = chunks_.find(word).chunk;
            if (chunk != kNoChunk && contested_.get(chunk))
                found.emplace_back(chunk, is_odd_word(chunk, word));
        });
        std::sort(found.begin(), found.end());  // of each chunk, words that are not odd first
        std::vector<u32> odd;
        for (u64 row = 0; row < found.size(); ++row) {
            const bool is_first = row == 0 || found[row - 1].first != found[row].first;
            if (is_first && found[row].second) odd.push_back(found[row].first);
        }
        return odd;
    }
    // Of an object, which has a block that begins with its size from behind that word on.
    bool is_odd_word(u32 chunk, u64 word) const {
        const Spot spot = spot_of(chunks_, chunk, word);
        return edges_.says_size.get(chunk) ? spot.inside != 8 : spots_.is_odd(spot);
    }

    bool may_doubt(u32 target) const { return is_sure_.get(target) && !is_given_back_.get(target); }
    void doubt_entries(std::vector<Entry> &objects, Doubted &doubted) {
        for (const u64 row : odd_entries_) {
            const Target target = objects[row].target;
            if (!may_doubt(chunk_of(target))) continue;
            doubted.entries.emplace_back(row, target);
            objects[row].target = make_target({chunk_of(target), Aim::kDoubtful});
        }
    }
    // Each source is gone through once.
    void doubt_edges(Doubted &doubted) {
        std::vector<u32> targets;
        for (u64 row = 0; row < weak_.size();) {
            const u32 source = weak_[row].source;
            targets.clear();
            for (; row < weak_.size() && weak_[row].source == source; ++row) {
                if (may_doubt(weak_[row].target)) targets.push_back(weak_[row].target);
            }
            if (targets.empty()) continue;
            doubted.sources.push_back(source);
            edges_.each(source, [&](Target target, u32 place) {
                const u32 chunk = chunk_of(target);
                if (aim_of(target) == Aim::kNothing ||
                    !std::binary_search(targets.begin(), targets.end(), chunk))
                    return;
                doubted.edges.push_back({chunk, place, edges_.bytes[place]});
                stray_edge(edges_.bytes, place);
            });
        }
        edges_.has_strays |= !doubted.edges.empty();
    }

    MemoryImage &image_;
    const ChunkMap &chunks_;
    const Contested &contested_;
    ChunkEdges &edges_;
    const Bits &is_given_back_;  // once doubted, and to be believed
    std::mutex mutex_;
    Bits is_sure_;             // a pointer leads there that is not doubted
    std::vector<u64> blocks_;  // that lead to what is contested
    UsualSpots spots_;
    std::vector<Weak> weak_;  // sorted
    std::atomic<u64> weak_count_{0};
    std::vector<u64> odd_entries_;
};

// Further edges that are doubted; those that are doubted already are strays by now.
void doubt_bridges(const Reached &reached, ChunkEdges &edges, const Bits &is_given_back,
                   Doubted &doubted) {
    for (const Bridge &bridge : find_bridges(reached, edges)) {
        if (is_given_back.get(bridge.target)) continue;
        doubted.sources.push_back(bridge.source);
        doubted.edges.push_back({bridge.target, bridge.place, edges.bytes[bridge.place]});
        stray_edge(edges.bytes, bridge.place);
        edges.has_strays = true;
    }
}

// The marks as they were before, with the aim of strays: what a chunk has no more is noted in vain.
void mark_again(Reached &reached, const std::vector<u32> &sources, ChunkEdges &edges) {
    edges.marks = std::move(reached.marks);
    for (u64 chunk = 0; chunk < edges.marks.size(); ++chunk) edges.marks[chunk] &= kMarksAims;
    for (const u32 source : sources) edges.marks[source] |= mark_of(Aim::kNothing);
}

// What no object leads to any more but by what was doubted gets that back: the better pointers to
// it were its own. Returns whether there was such.
bool give_back(const Reached &reached, const Doubted &doubted, std::vector<Entry> &objects,
               ChunkEdges &edges, Bits &is_given_back) {
    bool any = false;
    const auto look = [&](u32 target) {
        if (is_given_back.get(target) || is_of_objects(reached, target)) return;
        is_given_back.set(target);
        any = true;
    };
    for (const auto &[row, before] : doubted.entries) look(chunk_of(before));
    for (const Doubted::Edge &edge : doubted.edges) look(edge.target);
    if (!any) return false;
    for (const auto &[row, before] : doubted.entries) {
        if (is_given_back.get(chunk_of(before))) objects[row].target = before;
    }
    for (const Doubted::Edge &edge : doubted.edges) {
        if (is_given_back.get(edge.target)) edges.bytes[edge.place] = edge.before;
    }
    return true;
}

}  // namespace

Reached settle_conflicts(MemoryImage &image, const ChunkMap &chunks, ObjectWords *words,
                         std::vector<Entry> &objects, const std::vector<Entry> &libraries,
                         const std::vector<Entry> &stacks, ChunkEdges &edges) {
    Reached reached = reach_chunks(edges, objects, libraries, stacks);
    Bits is_given_back(chunks.count());
    for (unsigned round = 0; round < kMostRounds; ++round) {
        Contested contested(chunks, reached, edges);
        Doubted doubted;
        if (contested.find(objects))
            doubted = Conflicts(image, chunks, contested, reached, edges, is_given_back)
                          .doubt(words, objects);
        doubt_bridges(reached, edges, is_given_back, doubted);
        if (doubted.count() == 0) break;
        for (unsigned turn = 0; turn < kMostReturns; ++turn) {
            if (turn != 0 && !give_back(reached, doubted, objects, edges, is_given_back)) break;
            mark_again(reached, doubted.sources, edges);
            reached = reach_chunks(edges, objects, libraries, stacks);
        }
        if (doubted.count() < kFewDoubted) break;
    }
    return reached;
}

}  // namespace heapgraph
