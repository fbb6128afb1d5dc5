// Loads emulated models as CMSSW does and compares every score with reference vectors.
//
// usage: check [--global] library inputs expected [library inputs expected ...]
//     library   a shared object with the payload of payload.h
//     inputs    one event a line: hardware integers, or raw integers of the network's input
//     expected  one event a line: raw scores
// All libraries are loaded before the first event, and their events alternate. --global loads them with RTLD_GLOBAL.
// Exit status: 0 all equal, 1 a score differs, 2 something cannot be read or loaded.
#include "hls4ml/emulator.h"

#include <any>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <iostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ap_fixed.h"
#include "ap_int.h"

#include "raw_values.h"

#include "payload.h"

using L1AD_NAMESPACE::Payload;
#include "l1ad_payload.h"

namespace {

[[noreturn]] void stop(const std::string &message) {
    std::cerr << "ERROR: " << message << std::endl;
    std::exit(2);
}

std::vector<std::int64_t> read_integers(const std::string &path) {
    std::ifstream file(path);
    std::vector<std::int64_t> values;
    std::int64_t value = 0;
    while (file >> value)
        values.push_back(value);
    if (!file.eof() || values.empty())
        stop(path + " does not hold integers");
    return values;
}

template <class T> T *symbol(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == nullptr)
        stop(dlerror());
    return reinterpret_cast<T *>(found);
}

struct Loaded {
    Loaded(const std::string &path, int mode, const std::string &inputs_path, const std::string &expected_path)
        : name(path), inputs(read_integers(inputs_path)), expected(read_integers(expected_path)) {
        void *library = dlopen(path.c_str(), RTLD_LAZY | mode);
        if (library == nullptr)
            stop(dlerror());
        model = symbol<hls4mlEmulator::Model *()>(library, "create_model")();
        destroy = symbol<void(hls4mlEmulator::Model *)>(library, "destroy_model");
        if (inputs.size() % Payload::inputs || expected.size() != events() * Payload::outputs)
            stop(inputs_path + " and " + expected_path + " do not hold the same events");
    }
    std::size_t events() const { return inputs.size() / Payload::inputs; }

    std::string name;
    std::vector<std::int64_t> inputs, expected;
    hls4mlEmulator::Model *model;
    void (*destroy)(hls4mlEmulator::Model *);
};

// Whether one event gives its score; says so when it does not.
bool agrees(Loaded &loaded, std::size_t event) {
    Payload::input_t values[Payload::inputs];
    for (int i = 0; i < Payload::inputs; i++) {
        const std::int64_t value = loaded.inputs[event * Payload::inputs + i];
        l1ad::store_number(Payload::hardware ? value * (std::int64_t(1) << Payload::payload_fraction) : value,
                           Payload::network_fraction, values[i]);
    }
    Payload::result_t result{};
    loaded.model->prepare_input(std::any(static_cast<Payload::input_t *>(values)));
    loaded.model->predict();
    loaded.model->read_result(std::any(&result));
    std::int64_t scores[Payload::outputs];
    l1ad::load_scores(result, scores);
    for (int i = 0; i < Payload::outputs; i++) {
        const std::int64_t wanted = loaded.expected[event * Payload::outputs + i];
        if (scores[i] != wanted) {
            std::cerr << "ERROR: " << loaded.name << ", event " << event << ", score " << i << ": expected " << wanted
                      << ", found " << scores[i] << std::endl;
            return false;
        }
    }
    return true;
}

} // namespace

int main(int argc, char **argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    int mode = RTLD_LOCAL;
    if (!arguments.empty() && arguments[0] == "--global") {
        mode = RTLD_GLOBAL;
        arguments.erase(arguments.begin());
    }
    if (arguments.empty() || arguments.size() % 3)
        stop("usage: check [--global] library inputs expected [library inputs expected ...]");
    std::vector<Loaded> models;
    for (std::size_t i = 0; i < arguments.size(); i += 3)
        models.emplace_back(arguments[i], mode, arguments[i + 1], arguments[i + 2]);
    std::size_t most = 0, compared = 0;
    for (const Loaded &loaded : models)
        most = loaded.events() > most ? loaded.events() : most;
    bool good = true;
    for (std::size_t event = 0; event < most && good; event++)
        for (Loaded &loaded : models)
            if (event < loaded.events()) {
                good = agrees(loaded, event) && good;
                compared++;
            }
    for (Loaded &loaded : models)
        loaded.destroy(loaded.model);
    if (good)
        std::cout << compared << " events of " << models.size() << " models equal the reference" << std::endl;
    return good ? 0 : 1;
}
