// What the drivers of Verilated modules share: bits of ports, the clock, and files of int64.
#ifndef L1AD_VERILATED_PORTS_H_
#define L1AD_VERILATED_PORTS_H_

#include "verilated.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
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

// Puts 32 bits; bits beyond the port are dropped.
template <class Port> void put_word(Port &port, std::size_t place, std::uint32_t word) {
    if constexpr (is_word<Port>) {
        const std::uint64_t bits = static_cast<std::uint64_t>(word) << (32 * place);
        const std::uint64_t kept = place ? static_cast<std::uint64_t>(port) & 0xffffffffu : 0;
        port = static_cast<Port>(kept | bits);
    } else {
        port[place] = word;
    }
}

template <class Port> bool get_bit(const Port &port, std::size_t bit) {
    if constexpr (is_word<Port>)
        return (port >> bit) & 1;
    else
        return (port[bit / 32] >> (bit % 32)) & 1;
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

#endif
