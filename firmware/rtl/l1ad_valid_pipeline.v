// Delays the valid flag by the latency of the network. A reset forgets every event in flight.
`timescale 1 ns / 1 ps

module l1ad_valid_pipeline #(
    parameter CLOCKS = 1
) (
    input wire clk,
    input wire rst,
    input wire in_valid,
    output wire out_valid
);

    reg [CLOCKS-1:0] flying = 0;

    always @(posedge clk) begin
        if (rst) flying <= 0;
        else flying <= {flying, in_valid};
    end

    assign out_valid = flying[CLOCKS-1];

endmodule
