// One hardware integer to one raw input of the network: saturate(((word - OFFSET) << LEFT) >> RIGHT).
// The right shift is arithmetic: it rounds towards minus infinity. WIDE holds every value on the way.
`timescale 1 ns / 1 ps

module l1ad_input_scale #(
    parameter WORD_BITS = 8,
    parameter WORD_SIGNED = 1,
    parameter signed [31:0] OFFSET = 0,
    parameter LEFT = 0,
    parameter RIGHT = 0,
    parameter WIDE = 32,
    parameter RAW_BITS = 10,
    parameter RAW_SIGNED = 1
) (
    input wire [WORD_BITS-1:0] word,
    output wire [RAW_BITS-1:0] raw
);

    localparam signed [WIDE-1:0] CENTRE = OFFSET;
    localparam signed [WIDE-1:0] ONE = 1;
    localparam signed [WIDE-1:0] HIGH = (ONE <<< (RAW_BITS - RAW_SIGNED)) - ONE;
    localparam signed [WIDE-1:0] LOW = RAW_SIGNED ? -(ONE <<< (RAW_BITS - 1)) : 0;

    wire sign = WORD_SIGNED ? word[WORD_BITS-1] : 1'b0;
    wire signed [WIDE-1:0] extended = {{(WIDE - WORD_BITS){sign}}, word};
    wire signed [WIDE-1:0] centred = extended - CENTRE;
    wire signed [WIDE-1:0] moved = (centred <<< LEFT) >>> RIGHT;
    wire signed [WIDE-1:0] limited = moved > HIGH ? HIGH : moved < LOW ? LOW : moved;
    assign raw = limited[RAW_BITS-1:0];

endmodule
