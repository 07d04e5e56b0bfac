// What objects have of the chunks: those they lie in, the buffers that are counted in their shallow
// size already, and what the words of their C structs lead to.
#pragma once

#include "walker/edges/edges.hpp"
#include "walker/walk/walker.hpp"

namespace heapgraph {

class ObjectWords {
public:
    ObjectWords(Walker &walker, ChunkMap &chunks);

    // Marks chunks with objects in them, then the buffers of objects, which also are no small
    // blocks any more. After this no use changes. has_small: small buffers may be among them.
    void mark(bool has_small);
    // Where the words of objects lead, by object; at most so many.
    std::vector<Entry> entries(u64 most);
    // Visits the words of an object that may be pointers.
    template <typename Visit>
    void each_word(u32 id, Visit visit) {
        const u64 object = walker_.address_of(id);
        each_word(object, *walker_.types().types()[walker_.columns().type[id]], visit);
    }
    // Whether the C struct of an object may have pointers to blocks.
    bool has_words(u32 id) const {
        const u32 row = walker_.columns().type[id];
        return row < has_words_.size() && has_words_[row];
    }
    // Numbers in objects that may stand for chunks, sorted, each once; after entries().
    std::vector<u64> handles() const;
    // Adds the objects of those that exactly one chunk begins with.
    void add_handles(std::vector<std::pair<u64, u32>> found, std::vector<Entry> &entries) const;
    // Adds the ints that are addresses of blocks, as doubtful pointers; after entries().
    void add_ints(std::vector<Entry> &entries) const;

private:
    static bool is_borrowed(const TypeInfo &type, u64 offset) {
        return std::find(type.borrowed.begin(), type.borrowed.end(), static_cast<i64>(offset)) !=
               type.borrowed.end();
    }
    void mark_object(u64 object);
    void mark_buffers(u32 id, u64 object, const TypeInfo &type, u64 shallow);
    void mark_ruled(u64 object, const TypeInfo &type, u64 &left);
    u64 known_outside(u64 object, const TypeInfo &type, u64 shallow);
    template <typename Visit>
    void each_word(u64 object, const TypeInfo &type, Visit visit) {
        const u64 begin = object + walker_.reader().layout().object_size;
        const u64 end = end_of_block(object, type);
        if (end <= begin) return;
        const View words = walker_.image().view(begin, end - begin);
        for (u64 at = 0; at + 8 <= words.size(); at += 8) {
            if (!is_borrowed(type, begin + at - object)) visit(words.u64_at(at));
        }
    }
    void scan(u32 id, u64 object, const TypeInfo &type, std::vector<Entry> &out);
    void scan_int(u32 id, u64 object);
    bool take_buffer(u64 address, u64 left, bool may_be_small, AddressRange &buffer);
    u64 end_of_block(u64 object, const TypeInfo &type);

    Walker &walker_;
    ChunkMap &chunks_;
    std::vector<u8> has_words_;      // by row of types: its C struct may lead to chunks
    std::vector<u8> is_int_;         // its objects are ints, and nothing else
    std::vector<u8> knows_buffers_;  // and: its shallow size has memory outside of the object
    std::vector<u8> knows_small_;    // and: that may be a small block
    std::vector<std::pair<u64, u32>> handles_;  // number, object
    std::vector<Entry> ints_;                   // that are the address of a block
    u64 other_ints_ = 0;                        // that would lead into one
};

}  // namespace heapgraph
