// Runs the HLS C++ top level of a trigger call by call; one call is one clock.
//
// Compiled with -DL1AD_SOURCE="<network>.cpp" -DL1AD_TRIGGER="<top>.cpp" -DL1AD_TOP=<top> -DL1AD_WORD_BITS=<bits>
// -DL1AD_SCORE_BITS=<bits> -DL1AD_THRESHOLDS=<number>.
//
// usage: trigger events stream outputs event_words n_events clocks      (files as in trigger_driver.cpp)

// In the order of the generated sources; nnet_helpers.h uses assert and string streams that it does not include.
#include <cassert>
#include <sstream>

#include "ap_fixed.h"
#include "ap_int.h"
#include "nnet_utils/nnet_types.h"

#include "nnet_utils/nnet_helpers.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace nnet {
// nnet_helpers.h declares these; the bridge that hls4ml writes defines them, and this program takes its place.
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = nullptr;
size_t trace_type_size = sizeof(double);
} // namespace nnet

#include L1AD_SOURCE
#include L1AD_TRIGGER

using Integers = std::vector<std::int64_t>;

[[noreturn]] static void fail(const std::string &message) {
    std::cerr << "ERROR: " << message << std::endl;
    std::exit(3);
}

static Integers read_all(const char *path, std::size_t values) {
    Integers result(values);
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char *>(result.data()), static_cast<std::streamsize>(values * sizeof(std::int64_t)));
    if (!file)
        fail(std::string(path) + " is shorter than the number of events asks for");
    return result;
}

static std::size_t number(const char *text) { return static_cast<std::size_t>(std::strtoull(text, nullptr, 10)); }

int main(int argc, char **argv) {
    if (argc != 7)
        fail("usage: trigger events stream outputs event_words n_events clocks");
    const std::size_t words = number(argv[4]), n_events = number(argv[5]), clocks = number(argv[6]);
    const Integers events = read_all(argv[1], words * n_events), stream = read_all(argv[2], clocks * 6);
    Integers outputs(clocks * 5);
    for (std::size_t clock = 0; clock < clocks; clock++) {
        const std::int64_t *row = &stream[clock * 6];
        const std::size_t event = static_cast<std::size_t>(row[0]);
        if (event >= n_events)
            fail("the stream names an event that does not exist");
        ap_uint<L1AD_WORD_BITS> packed = 0;
        for (std::size_t i = 0; i < words; i++)
            for (std::size_t b = 0; b < 32 && i * 32 + b < L1AD_WORD_BITS; b++)
                packed[int(i * 32 + b)] = (events[event * words + i] >> b) & 1;
        bool valid = false, error = false;
        ap_uint<L1AD_SCORE_BITS> score = 0;
        ap_uint<L1AD_THRESHOLDS> accept = 0, fire = 0;
        L1AD_TOP(row[2] != 0, row[1] != 0, packed, row[3] != 0, ap_uint<4>(row[4]), ap_uint<32>(row[5]), valid, score,
                 accept, fire, error);
        std::int64_t *found = &outputs[clock * 5];
        found[0] = valid;
        found[1] = static_cast<std::int64_t>(score.to_uint64());
        found[2] = static_cast<std::int64_t>(accept.to_uint64());
        found[3] = static_cast<std::int64_t>(fire.to_uint64());
        found[4] = error;
    }
    std::ofstream file(argv[3], std::ios::binary);
    file.write(reinterpret_cast<const char *>(outputs.data()),
               static_cast<std::streamsize>(outputs.size() * sizeof(std::int64_t)));
    file.close();
    if (!file)
        fail(std::string(argv[3]) + " cannot be written");
    return 0;
}
