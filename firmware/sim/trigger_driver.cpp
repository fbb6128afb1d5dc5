// Runs the Verilated top level of a trigger clock by clock.
//
// Compiled against the model that `verilator --cc --prefix Vdut` writes of the module in trigger/<top>_trigger.v.
//
// usage: trigger events stream outputs event_words n_events clocks
//     events   int64 little-endian, event_words an event, each 32 bits of the port `words`, lowest first
//     stream   int64 little-endian, six a clock: event, valid, reset, write, address, data
//     outputs  int64 little-endian, five a clock, after its rising edge: valid, score, accept, fire, error

#include "Vdut.h"
#include "verilated_ports.h"

#include <memory>

int main(int argc, char **argv) {
    if (argc != 7)
        fail("usage: trigger events stream outputs event_words n_events clocks");
    const std::size_t words = number(argv[4]), n_events = number(argv[5]), clocks = number(argv[6]);
    const Integers events = read_all(argv[1], words * n_events), stream = read_all(argv[2], clocks * 6);
    Integers outputs(clocks * 5);

    VerilatedContext context;
    auto model = std::make_unique<Vdut>(&context);
    for (std::size_t clock = 0; clock < clocks; clock++) {
        const std::int64_t *row = &stream[clock * 6];
        const std::size_t event = static_cast<std::size_t>(row[0]);
        if (event >= n_events)
            fail("the stream names an event that does not exist");
        for (std::size_t i = 0; i < words; i++)
            put_word(model->words, i, static_cast<std::uint32_t>(events[event * words + i]));
        model->in_valid = row[1] != 0;
        model->rst = row[2] != 0;
        model->cfg_write = row[3] != 0;
        model->cfg_address = static_cast<CData>(row[4]);
        model->cfg_data = static_cast<IData>(row[5]);
        Clock<Vdut>::rise(*model);
        std::int64_t *found = &outputs[clock * 5];
        found[0] = model->out_valid;
        found[1] = static_cast<std::int64_t>(model->score);
        found[2] = model->accept;
        found[3] = model->fire;
        found[4] = model->cfg_error;
    }
    model->final();
    write_all(argv[3], outputs);
    return 0;
}
