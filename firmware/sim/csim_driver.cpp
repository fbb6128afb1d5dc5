// Runs the top function of an HLS project on raw integers.
//
// Compiled with -DL1AD_SOURCE="<top>.cpp" -DL1AD_TOP=<top>, which is the C++ that hls4ml writes:
//     void top(input_t in[...], result_t out[...])                      io_parallel
//     void top(hls::stream<input_t> &in, hls::stream<result_t> &out)    io_stream
// The types of the ports are deduced from the function. Values pass as bits, never as float.
//
// usage: csim inputs outputs n_inputs n_outputs first count trace [layer ...]
//     inputs   int64 little-endian, n_inputs an event; events first .. first+count-1 are run
//     outputs  int64 little-endian, n_outputs an event
//     trace    int64 little-endian, the values of the named layers, one after the other, event by event
// Standard output names the type of each port and layer: "<name> <signed> <width> <integer> <values>".

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

namespace l1ad {

[[noreturn]] void fail(const std::string &message) {
    std::cerr << "ERROR: " << message << std::endl;
    std::exit(3);
}

} // namespace l1ad

#include "raw_values.h"

#include "raw_ports.h"

namespace l1ad {

void announce(const std::string &name, const Format &type, std::size_t values) {
    std::cout << name << ' ' << type.is_signed << ' ' << type.width << ' ' << type.integer << ' ' << values << '\n';
}

// The values of one event of the layers that were asked for.
struct Layer {
    std::string name;
    bool announced = false;
    std::vector<std::int64_t> values;
};
std::vector<Layer> layers;

Layer *wanted(const char *name) {
    for (Layer &layer : layers)
        if (layer.name == name)
            return &layer;
    return nullptr;
}

template <class T> void announce_once(Layer &layer) {
    if (!layer.announced)
        announce("layer " + layer.name, format<T>(), layer.values.size());
    layer.announced = true;
}

} // namespace l1ad

namespace nnet {

// nnet_helpers.h declares these; the bridge that hls4ml writes defines them, and this program takes its place.
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = nullptr;
size_t trace_type_size = sizeof(double);

// Same call as nnet::save_layer_output, which passes values through float or double.
template <class T> void l1ad_save_layer(T *data, const char *name, std::size_t size) {
    l1ad::Layer *layer = l1ad::wanted(name);
    if (layer == nullptr)
        return;
    layer->values.resize(size);
    for (std::size_t i = 0; i < size; i++)
        layer->values[i] = l1ad::to_raw(data[i]);
    l1ad::announce_once<T>(*layer);
}

template <class T> void l1ad_save_layer(hls::stream<T> &data, const char *name, std::size_t size) {
    using packet = l1ad::Packet<T>;
    l1ad::Layer *layer = l1ad::wanted(name);
    if (layer == nullptr)
        return;
    layer->values.resize(size);
    for (std::size_t i = 0; i < size / packet::size; i++) {
        T item = data.read();
        for (std::size_t j = 0; j < packet::size; j++)
            layer->values[i * packet::size + j] = l1ad::to_raw(packet::at(item, j));
        data.write(item);
    }
    l1ad::announce_once<typename packet::value_type>(*layer);
}

} // namespace nnet

// The generated source calls nnet::save_layer_output where a layer is traced.
#define save_layer_output l1ad_save_layer
#include L1AD_SOURCE
#undef save_layer_output

namespace l1ad {

using Integers = std::vector<std::int64_t>;

Integers read_events(const char *path, std::size_t first, std::size_t values) {
    Integers result(values);
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(first * sizeof(std::int64_t)));
    file.read(reinterpret_cast<char *>(result.data()), static_cast<std::streamsize>(values * sizeof(std::int64_t)));
    if (!file)
        fail(std::string(path) + " is shorter than the number of events asks for");
    return result;
}

void write_all(const char *path, const Integers &values) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(std::int64_t)));
    file.close();
    if (!file)
        fail(std::string(path) + " cannot be written");
}

std::size_t number(const char *text) { return static_cast<std::size_t>(std::strtoull(text, nullptr, 10)); }

} // namespace l1ad

int main(int argc, char **argv) {
    using namespace l1ad;
    if (argc < 8)
        fail("usage: csim inputs outputs n_inputs n_outputs first count trace [layer ...]");
    const std::size_t n_inputs = number(argv[3]), n_outputs = number(argv[4]);
    const std::size_t first = number(argv[5]), count = number(argv[6]);
    for (int i = 8; i < argc; i++)
        layers.push_back(Layer{argv[i], false, {}});

    auto ports = ports_of(L1AD_TOP, n_inputs, n_outputs);
    announce("input", format<decltype(ports)::Input>(), n_inputs);
    announce("output", format<decltype(ports)::Output>(), n_outputs);
    const Integers inputs = read_events(argv[1], first * n_inputs, count * n_inputs);
    Integers outputs(count * n_outputs), trace;
    for (std::size_t event = 0; event < count; event++) {
        ports.run(&inputs[event * n_inputs], &outputs[event * n_outputs]);
        for (const Layer &layer : layers) {
            if (!layer.announced)
                fail("layer " + layer.name + " is not traced in the generated source");
            trace.insert(trace.end(), layer.values.begin(), layer.values.end());
        }
    }
    write_all(argv[2], outputs);
    if (!layers.empty())
        write_all(argv[7], trace);
    return 0;
}
