// Thresholds and prescales that a plain write port changes while the trigger runs.
//
//   address 0 .. N-1      thresholds, raw units of the score
//   address 8 .. 8+N-1    prescales; a write also restarts the counter
//
// A write to another address, or of a value that does not fit, changes nothing and raises `refused` for one clock.
`timescale 1 ns / 1 ps

module l1ad_trigger_registers #(
    parameter N = 5,
    parameter SCORE_BITS = 20,
    parameter PRESCALE_BITS = 24,
    parameter [N*SCORE_BITS-1:0] THRESHOLDS = 0,
    parameter [N*PRESCALE_BITS-1:0] PRESCALES = 0
) (
    input wire clk,
    input wire rst,
    input wire write,
    input wire [3:0] address,
    input wire [31:0] data,
    output reg [N*SCORE_BITS-1:0] thresholds,
    output reg [N*PRESCALE_BITS-1:0] prescales,
    output wire [N-1:0] restart,
    output reg refused
);

    wire threshold_fits = (data >> SCORE_BITS) == 0;
    wire prescale_fits = (data >> PRESCALE_BITS) == 0;
    wire is_threshold = address < N && threshold_fits;
    wire is_prescale = address >= 8 && address < 8 + N && prescale_fits;

    initial begin
        thresholds = THRESHOLDS;
        prescales = PRESCALES;
        refused = 1'b0;
    end

    genvar k;
    generate
        for (k = 0; k < N; k = k + 1) begin : each
            assign restart[k] = write && is_prescale && address == 8 + k;
            always @(posedge clk) begin
                if (rst) begin
                    thresholds[k*SCORE_BITS+:SCORE_BITS] <= THRESHOLDS[k*SCORE_BITS+:SCORE_BITS];
                    prescales[k*PRESCALE_BITS+:PRESCALE_BITS] <= PRESCALES[k*PRESCALE_BITS+:PRESCALE_BITS];
                end else begin
                    if (write && is_threshold && address == k)
                        thresholds[k*SCORE_BITS+:SCORE_BITS] <= data[SCORE_BITS-1:0];
                    if (restart[k]) prescales[k*PRESCALE_BITS+:PRESCALE_BITS] <= data[PRESCALE_BITS-1:0];
                end
            end
        end
    endgenerate

    always @(posedge clk) refused <= !rst && write && !is_threshold && !is_prescale;

endmodule
