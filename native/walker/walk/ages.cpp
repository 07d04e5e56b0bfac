// How old the objects are: the collector's lists keep them in the order of their creation.
//
// Age is the number of tracked objects that are younger. Of it the logarithm is kept, nine steps to
// each doubling: a byte then tells ages apart by 8 %, near the present by single objects, and costs
// next to nothing in the file. A second byte has the part of the step, which tells apart what was
// made before the members of a cache that has turned over.
#include <cmath>

#include "walker/walk/walker.hpp"

namespace heapgraph {
namespace {

constexpr double kStepsPerDoubling = 9;  // AGE_STEPS of heapgraph/graph/ages.py
constexpr int kParts = 256;              // of a step
constexpr int kOldest = 255;
constexpr u64 kDenseRun = 8;  // slot wrappers of one class, made in a row

// The least age in this part of all steps.
u64 least_age(int part) {
    return static_cast<u64>(std::ceil(std::exp2(part / (kStepsPerDoubling * kParts)) - 1));
}

}  // namespace

// gc.freeze appends the young objects first, so that the permanent list may begin anywhere in the
// program's life. The slot wrappers of `object` are among the first things that an interpreter
// makes.
u64 Walker::first_of_startup() {
    u64 run = 0;
    for (u64 i = 0; i < counts_.gc_frozen; ++i) {
        const TypeInfo *type = types_.find(image_->u64_at(gc_objects_[i] + layout_.type));
        const bool is_wrapper = type != nullptr && type->tp_name == "wrapper_descriptor";
        const u64 owner = is_wrapper ? image_->u64_at(gc_objects_[i] + layout_.descr_type) : 0;
        const bool is_of_object = owner != 0 && image_->u64_at(owner + layout_.tp_base) == 0;
        run = is_of_object ? run + 1 : 0;
        if (run == kDenseRun) return i + 1 - run;
    }
    return 0;
}

void Walker::make_ages() {
    columns_.age.resize(counts_.objects);
    columns_.age_part.resize(counts_.objects);
    const u64 count = gc_objects_.size(), frozen = counts_.gc_frozen;
    const u64 first = is_in_order_ ? first_of_startup() : 0;
    int part = 0;
    u64 next = least_age(part + 1);
    for (u64 age = 0; age < count && is_in_order_; ++age) {
        while (part < kOldest * kParts - 1 && age >= next) next = least_age(++part + 1);
        const u64 rank = count - 1 - age;
        const u64 object = gc_objects_[rank < frozen ? (rank + first) % frozen : rank];
        Position at;
        if (!position(object, at) || !at.is_known()) continue;
        columns_.age[at.id()] = static_cast<u8>(1 + part / kParts);
        columns_.age_part[at.id()] = static_cast<u8>(part % kParts);
    }
    gc_objects_ = {};
}

}  // namespace heapgraph
