// Runs a Verilated module on raw integers and records its output port after every clock.
//
// Compiled against the model that `verilator --cc --prefix Vdut` writes. The module has one packed input and one
// packed output vector, L1AD_IN and L1AD_OUT, element 0 in the lowest bits, and a clock `clk` or no clock at all.
//
// usage: rtl inputs outputs n_inputs in_bits n_outputs out_bits out_signed count interval flush [+name=value ...]
//     inputs   int64 little-endian, n_inputs an event, each the low in_bits of the integer
//     outputs  int64 little-endian, n_outputs a clock, count*interval+flush clocks
// An event stays at the input for `interval` clocks, the last one for `flush` more. Row k of the outputs is the port
// after the rising edge k, and event k/interval was at the input at that edge. Without a clock, row k is the port
// after the logic settled.

#include "Vdut.h"
#include "verilated_ports.h"

#include <memory>

namespace {

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

} // namespace

int main(int argc, char **argv) {
    if (argc < 11)
        fail("usage: rtl inputs outputs n_inputs in_bits n_outputs out_bits out_signed count interval flush "
             "[+name=value ...]");
    const std::size_t n_inputs = number(argv[3]), in_bits = number(argv[4]);
    const std::size_t n_outputs = number(argv[5]), out_bits = number(argv[6]);
    const bool out_signed = number(argv[7]) != 0;
    const std::size_t count = number(argv[8]), interval = number(argv[9]), flush = number(argv[10]);

    VerilatedContext context;
    context.commandArgs(argc, argv);
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
