// Compares a raw score with a raw threshold and lets every `prescale`-th accepted event fire; 0 never fires.
// The event is compared with the registers as they were before this clock; `restart` then clears the counter.
`timescale 1 ns / 1 ps

module l1ad_threshold #(
    parameter SCORE_BITS = 20,
    parameter PRESCALE_BITS = 24
) (
    input wire clk,
    input wire rst,
    input wire valid,
    input wire [SCORE_BITS-1:0] score,
    input wire [SCORE_BITS-1:0] threshold,
    input wire [PRESCALE_BITS-1:0] prescale,
    input wire restart,
    output reg accept,
    output reg fire
);

    reg [PRESCALE_BITS-1:0] count = 0;
    wire accepted = valid && score >= threshold;
    // One bit more than the prescale: the next count is never 0.
    wire [PRESCALE_BITS:0] next = count + {{PRESCALE_BITS{1'b0}}, 1'b1};
    wire due = next == {1'b0, prescale};

    initial begin
        accept = 1'b0;
        fire = 1'b0;
    end

    always @(posedge clk) begin
        accept <= !rst && accepted;
        fire <= !rst && accepted && due;
        if (rst || restart || (accepted && due)) count <= 0;
        else if (accepted) count <= next[PRESCALE_BITS-1:0];
    end

endmodule
