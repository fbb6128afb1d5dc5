// Runs a generated native program on many events, on several threads.
//
// Compiled with "native_program.h", which names the sizes, the range of an input and the parts of the program.
// The one function that the library shows takes raw integers event by event and returns raw integers.
#include "native_lanes.h"
#include "native_program.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace l1ad {

// Events that a thread takes at once.
constexpr std::int64_t CHUNK = 4096;

template <class T> class Run {
  public:
    Run(const T *inputs, std::int64_t events, std::int64_t *outputs)
        : inputs_(inputs), outputs_(outputs), events_(events), next_(0), bad_(events) {}

    // Takes chunks until none is left or an event is bad.
    void work() {
        // Aligned for the vectors.
        std::unique_ptr<Narrow[]> narrow(new Narrow[NARROW_SLOTS]());
        std::unique_ptr<Wide[]> wide(new Wide[WIDE_SLOTS]());
        const Slots slots{narrow.get(), wide.get()};
        for (;;) {
            const std::int64_t first = next_.fetch_add(CHUNK);
            if (first >= events_ || first > bad_)
                return;
            const std::int64_t last = std::min(first + CHUNK, events_);
            for (std::int64_t event = first; event < last; event += LANES)
                if (!block(event, int(std::min<std::int64_t>(LANES, last - event)), slots))
                    return;
        }
    }

    // The first event with an input outside its type, or -1.
    std::int64_t bad() const { return bad_ < events_ ? bad_.load() : -1; }

  private:
    bool block(std::int64_t event, int count, const Slots &slots) {
        const T *rows = inputs_ + event * INPUTS;
        alignas(64) std::int32_t values[LANES * INPUTS] = {};
        T low = 0, high = 0;
        // In the order of the memory first: this loop and the check become vector instructions.
        for (int i = 0; i < count * INPUTS; i++) {
            low = std::min(low, rows[i]);
            high = std::max(high, rows[i]);
            values[i] = std::int32_t(rows[i]);
        }
        if (low < INPUT_MINIMUM || high > INPUT_MAXIMUM)
            return refuse(event, count);
        for (int input = 0; input < INPUTS; input++) {
            alignas(64) std::int32_t lanes[LANES];
            for (int lane = 0; lane < LANES; lane++)
                lanes[lane] = values[lane * INPUTS + input];
            std::memcpy(&slots.narrow[input], lanes, sizeof(lanes));
        }
        Wide results[OUTPUTS];
        run_program(slots, results);
        for (int output = 0; output < OUTPUTS; output++)
            for (int lane = 0; lane < count; lane++)
                outputs_[(event + lane) * OUTPUTS + output] = results[output][lane];
        return true;
    }

    bool refuse(std::int64_t event, int count) {
        std::int64_t first = event;
        for (; first < event + count; first++) {
            const T *row = inputs_ + first * INPUTS;
            if (std::any_of(row, row + INPUTS, [](T x) { return x < INPUT_MINIMUM || x > INPUT_MAXIMUM; }))
                break;
        }
        std::int64_t known = bad_;
        while (first < known && !bad_.compare_exchange_weak(known, first)) {
        }
        return false;
    }

    const T *inputs_;
    std::int64_t *outputs_;
    std::int64_t events_;
    std::atomic<std::int64_t> next_, bad_;
};

template <class T>
std::int64_t run(const void *inputs, std::int64_t events, std::int64_t *outputs, int threads) {
    Run<T> work(static_cast<const T *>(inputs), events, outputs);
    std::vector<std::thread> others;
    std::atomic<bool> failed(false);
    const auto guarded = [&work, &failed] {
        try {
            work.work();
        } catch (const std::bad_alloc &) {
            failed = true;
        }
    };
    try {
        for (int i = 1; i < threads && i * CHUNK < events; i++)
            others.emplace_back(guarded);
    } catch (const std::system_error &) {
        // Fewer threads: the ones that run take all chunks.
    }
    guarded();
    for (std::thread &other : others)
        other.join();
    return failed ? -2 : work.bad();
}

} // namespace l1ad

// inputs: integers of `bytes` bytes (2, 4 or 8), INPUTS an event; outputs: OUTPUTS an event.
// Returns -1 when all is well, -2 without memory, -3 for another size of the integers, else the first bad event.
extern "C" __attribute__((visibility("default"))) std::int64_t
l1ad_native_run(const void *inputs, int bytes, std::int64_t events, std::int64_t *outputs, int threads) {
    switch (bytes) {
    case 2:
        return l1ad::run<std::int16_t>(inputs, events, outputs, threads);
    case 4:
        return l1ad::run<std::int32_t>(inputs, events, outputs, threads);
    case 8:
        return l1ad::run<std::int64_t>(inputs, events, outputs, threads);
    default:
        return -3;
    }
}
