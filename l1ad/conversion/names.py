"""Names that a top function or module may not have."""

from __future__ import annotations

from l1ad.errors import ConversionError
from l1ad.provenance import check_name

#: Keywords of C++17 (ISO/IEC 14882:2017, table 5), the entry point of the test bench and the namespaces of the headers.
_CPP = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const
    const_cast constexpr continue decltype default delete do double dynamic_cast else enum explicit export extern
    false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or
    or_eq private protected public register reinterpret_cast return short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true try typedef typeid typename union unsigned using
    virtual void volatile wchar_t while xor xor_eq main hls nnet std"""

#: Keywords of Verilog (IEEE 1364-2005, annex B) that are identifiers of Python, the ports of the module,
#: and the modules that alkaid 0.8.2 brings (src/static).
_VERILOG = """
    always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign default defparam
    design disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify endtable
    endtask event for force forever fork function generate genvar highz0 highz1 if ifnone incdir include initial inout
    input instance integer join large liblist library localparam macromodule medium module nand negedge nmos nor
    noshowcancelled not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
    pulsestyle_onevent pulsestyle_ondetect rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1
    scalared showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task time tran tranif0
    tranif1 tri tri0 tri1 triand trior trireg unsigned use vectored wait wand weak0 weak1 while wire wor xnor xor clk
    model_inp model_out binop multiplier mux
    negative shift_adder ternary_adder"""


def check_top(name: str) -> str:
    """Return `name` when a function and a module can have it.

    One run writes C++ and Verilog under one name, so the words of both languages are refused for both.

    Raises
    ------
    ConversionError
        When it is not a name, or a word of C++ or Verilog.

    Examples
    --------
    >>> check_top("dense_vae")
    'dense_vae'
    """
    check_name(name, "top")
    if name in {*_CPP.split(), *_VERILOG.split()}:
        raise ConversionError(f"top {name!r} is a word of C++ or Verilog; choose another name for the run.")
    return name
