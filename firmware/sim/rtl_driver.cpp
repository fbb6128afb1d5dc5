// Runs a Verilated module on raw integers and records its output port after every clock.
//
// Compiled against the model that `verilator --cc --prefix Vdut` writes. The module has one packed input and one
// packed output vector, L1AD_IN and L1AD_OUT, element 0 in the lowest bits, and a clock `clk` or no clock at all.
//
// usage: rtl inputs outputs n_inputs in_bits n_outputs out_bits out_signed count interval flush
//     inputs   int64 little-endian, n_inputs an event, each the low in_bits of the integer
//     outputs  int64 little-endian, n_outputs a clock, count*interval+flush clocks
// An event stays at the input for `interval` clocks, the last one for `flush` more. Row k of the outputs is the port
// after the rising edge k, and event k/interval was at the input at that edge. Without a clock, row k is the port
// after the logic settled.

#include "Vdut.h"
#include "verilated.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using Integers = std::vector<std::int64_t>;

[[noreturn]] void fail(const std::string &message) {
    std::cerr << "ERROR: " << message << std::endl;
    std::exit(3);
}

// Ports of at most 64 bits are integers, wider ones arrays of 32-bit words.
template <class Port> constexpr bool is_word = std::is_integral<Port>::value;

template <class Port> std::size_t capacity(const Port &) { return sizeof(Port) * 8; }

template <class Port> void put_bit(Port &port, std::size_t bit, bool value) {
    if constexpr (is_word<Port>) {
        const Port mask = static_cast<Port>(Port(1) << bit);
        port = static_cast<Port>(value ? port | mask : port & static_cast<Port>(~mask));
    } else {
        const EData mask = EData(1) << (bit % 32);
        port[bit / 32] = value ? port[bit / 32] | mask : port[bit / 32] & ~mask;
    }
}

template <class Port> bool get_bit(const Port &port, std::size_t bit) {
    if constexpr (is_word<Port>)
        return (port >> bit) & 1;
    else
        return (port[bit / 32] >> (bit % 32)) & 1;
}

template <class Port>
void put(Port &port, const std::int64_t *values, std::size_t count, std::size_t bits) {
    for (std::size_t i = 0; i < count; i++)
        for (std::size_t b = 0; b < bits; b++)
            put_bit(port, i * bits + b, (static_cast<std::uint64_t>(values[i]) >> b) & 1);
}

template <class Port>
void get(const Port &port, std::int64_t *values, std::size_t count, std::size_t bits, bool is_signed) {
    for (std::size_t i = 0; i < count; i++) {
        std::uint64_t raw = 0;
        for (std::size_t b = 0; b < bits; b++)
            raw |= static_cast<std::uint64_t>(get_bit(port, i * bits + b)) << b;
        if (is_signed && bits < 64 && (raw >> (bits - 1)))
            raw |= ~std::uint64_t(0) << bits;
        values[i] = static_cast<std::int64_t>(raw);
    }
}

template <class Model, class = void> struct Clock {
    static void rise(Model &model) { model.eval(); }
};

template <class Model> struct Clock<Model, std::void_t<decltype(std::declval<Model &>().clk)>> {
    static void rise(Model &model) {
        model.clk = 0;
        model.eval();
        model.clk = 1;
        model.eval();
    }
};

Integers read_all(const char *path, std::size_t values) {
    Integers result(values);
    std::ifstream file(path, std::ios::binary);
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

} // namespace

int main(int argc, char **argv) {
    if (argc != 11)
        fail("usage: rtl inputs outputs n_inputs in_bits n_outputs out_bits out_signed count interval flush");
    const std::size_t n_inputs = number(argv[3]), in_bits = number(argv[4]);
    const std::size_t n_outputs = number(argv[5]), out_bits = number(argv[6]);
    const bool out_signed = number(argv[7]) != 0;
    const std::size_t count = number(argv[8]), interval = number(argv[9]), flush = number(argv[10]);

    VerilatedContext context;
    auto model = std::make_unique<Vdut>(&context);
    if (n_inputs * in_bits > capacity(model->L1AD_IN) || n_outputs * out_bits > capacity(model->L1AD_OUT))
        fail("the ports of the module are narrower than the project says");
    const Integers inputs = read_all(argv[1], count * n_inputs);
    const std::size_t driven = count * interval, clocks = driven + flush;
    Integers outputs(clocks * n_outputs);
    for (std::size_t clock = 0; clock < clocks; clock++) {
        if (clock < driven && clock % interval == 0)
            put(model->L1AD_IN, &inputs[clock / interval * n_inputs], n_inputs, in_bits);
        Clock<Vdut>::rise(*model);
        get(model->L1AD_OUT, &outputs[clock * n_outputs], n_outputs, out_bits, out_signed);
    }
    model->final();
    write_all(argv[2], outputs);
    return 0;
}
