#include "walker/chunks/free_chunks.hpp"

namespace heapgraph {
namespace {

constexpr u64 kBins = 127, kFirstBin = 0x70, kFastBins = 0x10, kFastBinCount = 10;
constexpr u64 kNextArena = 0x870;
constexpr u64 kMaxArenas = 1024;
constexpr u64 kMaxData = 64 << 20, kMostCandidates = 256;  // a library with more is not libc
constexpr u64 kBinsThatFit = 120;      // a bin may be caught in the middle of a change
constexpr unsigned kSafeLinking = 12;  // next ^ (place >> 12), since glibc 2.32

// tcache_perthread_struct: 16 bits for each list, then the first chunk of each. Up to glibc 2.41
// they are how many chunks wait in it, later how many more there is room for, and there are lists
// of chunks of different sizes behind the others.
struct CacheForm {
    u64 lists;
    bool counts_room;
    u64 bytes() const { return lists * (sizeof(u16) + sizeof(u64)); }
    u64 chunk() const { return (bytes() + 8 + kChunkStep - 1) / kChunkStep * kChunkStep; }
};
constexpr CacheForm kCacheForms[] = {{64, false}, {76, true}};
constexpr u64 kListsOfOneSize = 64, kSmallest = 0x20;
constexpr u64 kMostSteps = 1 << 20;  // of lists that turn out to be none

// Few bytes of many places: nothing around them is read, and nothing is kept.
u64 word_at(MemoryImage &image, u64 address) {
    u64 word = 0;
    image.gather(&address, 1, sizeof word, reinterpret_cast<u8 *>(&word));
    return word;
}

// The bins hold pointers as if each were the two links of a chunk.
bool fits_bin(MemoryImage &image, u64 bin, u64 forward, u64 backward) {
    const u64 head = bin - 16;
    if (forward == head || backward == head) return forward == backward;
    return forward % kChunkStep == 0 && backward % kChunkStep == 0 &&
           word_at(image, forward + 24) == head && word_at(image, backward + 16) == head;
}

// The next one of a list whose links may be mangled; what does not lead to a chunk ends it.
u64 next_of(MemoryImage &image, u64 place) {
    const u64 plain = word_at(image, place), open = plain ^ (place >> kSafeLinking);
    return open % kChunkStep == 0 ? open : plain;
}

// Marks a list of chunks of one size; their addresses are those of the usable bytes, or of the
// headers. Returns how many there were.
u64 free_list(MemoryImage &image, ChunkMap &chunks, u64 first, u64 size, u64 to_user, u64 most) {
    u64 found = 0;
    for (u64 at = first; at != 0 && found < most; ++found) {
        const u32 chunk = chunks.headed(at + to_user - kChunkHeader);
        if (chunk == kNoChunk || (size != 0 && chunks.size(chunk) != size) ||
            chunks.use(chunk) == ChunkUse::kFree)
            break;
        chunks.set_use(chunk, ChunkUse::kFree);
        at = next_of(image, at + to_user);
    }
    return found;
}

// Follows a list of a cache without marking anything.
bool is_cached_list(MemoryImage &image, const ChunkMap &chunks, u64 first, u64 size, u64 count) {
    u64 at = first;
    for (u64 i = 0; i < count; ++i) {
        const u32 chunk = at < kChunkHeader ? kNoChunk : chunks.headed(at - kChunkHeader);
        if (chunk == kNoChunk || (size != 0 && chunks.size(chunk) != size)) return false;
        at = next_of(image, at);
    }
    return at == 0;
}

// The lists of a thread: of what size (0: of several), the first one, and how many.
struct CachedList {
    u64 size, first, count;
};

// None where that is no cache. steps: how many links may still be followed.
std::vector<CachedList> cache_at(MemoryImage &image, const ChunkMap &chunks, u64 address,
                                 const CacheForm &form, u64 &steps) {
    std::vector<u8> bytes(form.bytes());
    image.gather(&address, 1, bytes.size(), bytes.data());
    std::vector<u16> numbers(form.lists);
    std::memcpy(numbers.data(), bytes.data(), form.lists * sizeof(u16));
    const u64 room = *std::max_element(numbers.begin(), numbers.end());
    std::vector<CachedList> lists;
    for (u64 i = 0; i < form.lists; ++i) {
        CachedList list{i < kListsOfOneSize ? kSmallest + i * kChunkStep : 0, 0, numbers[i]};
        if (form.counts_room) list.count = room - numbers[i];
        std::memcpy(&list.first, bytes.data() + form.lists * sizeof(u16) + i * 8, 8);
        if ((list.first == 0) != (list.count == 0)) return {};
        lists.push_back(list);
    }
    for (const CachedList &list : lists) {
        if (list.count > steps) return {};
        steps -= list.count;
        if (!is_cached_list(image, chunks, list.first, list.size, list.count)) return {};
    }
    return lists;
}

// All arenas are linked in a ring.
bool is_in_ring(MemoryImage &image, u64 arena) {
    u64 at = arena;
    for (u64 i = 0; i < kMaxArenas; ++i) {
        at = word_at(image, at + kNextArena);
        if (at == arena) return true;
        if (at == 0) return false;
    }
    return false;
}

// Chunks that no object has, of the sizes that are wanted: numbers, and addresses of usable bytes.
template <typename IsWanted>
std::vector<std::pair<u32, u64>> native_chunks(const ChunkMap &chunks, IsWanted is_wanted) {
    std::vector<std::pair<u32, u64>> found;
    chunks.each([&](u32 chunk, u64 header) {
        if (is_wanted(chunks.size(chunk)) && chunks.use(chunk) == ChunkUse::kNative)
            found.emplace_back(chunk, header + kChunkHeader);
    });
    return found;
}

}  // namespace

u64 find_main_arena(MemoryImage &image, AddressRange data) {
    const u64 size = data.end - data.start;
    if (size < kArenaBytes || size > kMaxData) return 0;
    std::vector<u64> words(size / 8);
    image.gather(&data.start, 1, words.size() * 8, reinterpret_cast<u8 *>(words.data()));
    u64 looked_at = 0;
    for (u64 i = 0; i + 1 < words.size() && looked_at < kMostCandidates; ++i) {
        const u64 bin = data.start + i * 8;  // an empty one, perhaps not the first one
        if (words[i] != bin - 16 || words[i + 1] != bin - 16) continue;
        ++looked_at;
        for (u64 before = 0; before < kBins; ++before) {
            const u64 first = bin - before * 16, arena = first - kFirstBin;
            if (arena < data.start || arena + kArenaBytes > data.end || arena > bin) continue;
            if (!is_in_ring(image, arena)) continue;
            u64 fitting = 0;
            for (u64 k = 0; k < kBins && k < fitting + (kBins - kBinsThatFit) + 1; ++k) {
                const u64 at = (first - data.start) / 8 + k * 2;
                fitting += fits_bin(image, first + k * 16, words[at], words[at + 1]);
            }
            if (fitting >= kBinsThatFit) return arena;
        }
    }
    return 0;
}

void free_fastbins(MemoryImage &image, ChunkMap &chunks, u64 main_arena) {
    u64 arena = main_arena;
    for (u64 arenas = 0; arena != 0 && arenas < kMaxArenas; ++arenas) {
        for (u64 bin = 0; bin < kFastBinCount; ++bin) {
            const u64 first = word_at(image, arena + kFastBins + bin * 8);
            free_list(image, chunks, first, kSmallest + bin * kChunkStep, kChunkHeader,
                      chunks.count());
        }
        arena = word_at(image, arena + kNextArena);
        if (arena == main_arena) break;
    }
}

void mark_compiler_blocks(MemoryImage &image, ChunkMap &chunks) {
    struct Head {
        u64 size, used, next, memory;
    };
    constexpr u64 kSmallestBlock = 8192;
    const auto is_large = [](u64 size) { return size >= kSmallestBlock; };
    for (const auto &[chunk, address] : native_chunks(chunks, is_large)) {
        Head block;
        image.gather(&address, 1, sizeof block, reinterpret_cast<u8 *>(&block));
        const u64 size = chunks.size(chunk) - kChunkHeader / 2;
        const bool has_size = block.size >= kSmallestBlock && block.size + sizeof block <= size &&
                              block.size + sizeof block + kChunkStep > size;
        if (has_size && block.used <= block.size && block.memory == address + sizeof block &&
            (block.next == 0 || chunks.headed(block.next - kChunkHeader) != kNoChunk))
            chunks.set_use(chunk, ChunkUse::kBuffer);
    }
}

void free_thread_caches(MemoryImage &image, ChunkMap &chunks) {
    u64 steps = chunks.count() + kMostSteps;
    for (const CacheForm &form : kCacheForms) {
        const auto is_as_long = [&](u64 size) { return size == form.chunk(); };
        for (const auto &[chunk, address] : native_chunks(chunks, is_as_long)) {
            for (const CachedList &list : cache_at(image, chunks, address, form, steps))
                free_list(image, chunks, list.first, list.size, 0, list.count);
        }
    }
}

}  // namespace heapgraph
