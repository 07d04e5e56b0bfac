// Texts: what other types show of theirs.
#pragma once

#include "walker/types/heap_reader.hpp"

namespace heapgraph {

constexpr u64 kPreviewCharacters = 80;
constexpr const char *kCut = "\xe2\x80\xa6";  // an ellipsis marks a preview that was cut

// Appends the head of a str as UTF-8; false when there is none at this address.
bool append_text(HeapReader &reader, u64 text, std::string &out);

}  // namespace heapgraph
