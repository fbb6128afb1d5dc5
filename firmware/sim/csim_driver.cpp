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

struct Format {
    bool is_signed;
    int width;
    int integer;
};

template <int W, int I, bool S, ap_q_mode Q, ap_o_mode O, int N>
constexpr Format format_of(const ap_fixed_base<W, I, S, Q, O, N> *) {
    return {S, W, I};
}

template <int W, bool S> constexpr Format format_of(const ap_int_base<W, S> *) { return {S, W, W}; }

template <class T> constexpr Format format() { return format_of(static_cast<const T *>(nullptr)); }

template <class T> std::int64_t to_raw(const T &value) {
    constexpr Format type = format<T>();
    static_assert(type.width <= (type.is_signed ? 64 : 63), "a raw integer of this type does not fit int64");
    const ap_uint<type.width> pattern = value.range(type.width - 1, 0);
    std::uint64_t bits = pattern.to_uint64();
    if (type.is_signed && type.width < 64 && (bits >> (type.width - 1)))
        bits |= ~std::uint64_t(0) << (type.width % 64);
    return static_cast<std::int64_t>(bits);
}

template <class T> void from_raw(std::int64_t raw, T &value) {
    constexpr Format type = format<T>();
    static_assert(type.width <= (type.is_signed ? 64 : 63), "a raw integer of this type does not fit int64");
    value.range(type.width - 1, 0) = ap_uint<type.width>(static_cast<ap_ulong>(raw));
}

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

template <class T> struct Packet {
    using value_type = T;
    static constexpr std::size_t size = 1;
    static T &at(T &packet, std::size_t) { return packet; }
};

template <class T, unsigned N> struct Packet<nnet::array<T, N>> {
    using value_type = T;
    static constexpr std::size_t size = N;
    static T &at(nnet::array<T, N> &packet, std::size_t i) { return packet[i]; }
};

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

// One event through void top(I *, O *).
template <class I, class O> class ArrayPorts {
  public:
    ArrayPorts(void (*top)(I *, O *), std::size_t n_inputs, std::size_t n_outputs)
        : top_(top), in_(n_inputs), out_(n_outputs) {
        announce("input", format<I>(), n_inputs);
        announce("output", format<O>(), n_outputs);
    }
    void run(const std::int64_t *inputs, std::int64_t *outputs) {
        for (std::size_t i = 0; i < in_.size(); i++)
            from_raw(inputs[i], in_[i]);
        top_(in_.data(), out_.data());
        for (std::size_t i = 0; i < out_.size(); i++)
            outputs[i] = to_raw(out_[i]);
    }

  private:
    void (*top_)(I *, O *);
    std::vector<I> in_;
    std::vector<O> out_;
};

// One event through void top(hls::stream<I> &, hls::stream<O> &).
template <class I, class O> class StreamPorts {
    using In = Packet<I>;
    using Out = Packet<O>;

  public:
    StreamPorts(void (*top)(hls::stream<I> &, hls::stream<O> &), std::size_t n_inputs, std::size_t n_outputs)
        : top_(top), n_inputs_(n_inputs), n_outputs_(n_outputs), in_("in"), out_("out") {
        if (n_inputs % In::size || n_outputs % Out::size)
            fail("the packets of the streams do not divide the number of inputs or outputs");
        announce("input", format<typename In::value_type>(), n_inputs);
        announce("output", format<typename Out::value_type>(), n_outputs);
    }
    void run(const std::int64_t *inputs, std::int64_t *outputs) {
        for (std::size_t i = 0; i < n_inputs_; i += In::size) {
            I packet;
            for (std::size_t j = 0; j < In::size; j++)
                from_raw(inputs[i + j], In::at(packet, j));
            in_.write(packet);
        }
        top_(in_, out_);
        for (std::size_t i = 0; i < n_outputs_; i += Out::size) {
            if (out_.empty())
                fail("the output stream ends too early");
            O packet = out_.read();
            for (std::size_t j = 0; j < Out::size; j++)
                outputs[i + j] = to_raw(Out::at(packet, j));
        }
        if (!out_.empty() || !in_.empty())
            fail("an event left values in a stream: the number of inputs or outputs is wrong");
    }

  private:
    void (*top_)(hls::stream<I> &, hls::stream<O> &);
    std::size_t n_inputs_, n_outputs_;
    hls::stream<I> in_;
    hls::stream<O> out_;
};

template <class I, class O>
ArrayPorts<I, O> ports_of(void (*top)(I *, O *), std::size_t n_inputs, std::size_t n_outputs) {
    return {top, n_inputs, n_outputs};
}

template <class I, class O>
StreamPorts<I, O> ports_of(void (*top)(hls::stream<I> &, hls::stream<O> &), std::size_t n_inputs,
                           std::size_t n_outputs) {
    return {top, n_inputs, n_outputs};
}

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
