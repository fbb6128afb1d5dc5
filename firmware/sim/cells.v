// Behaviour of the primitives that a netlist mapped for AMD parts holds, for simulation.
//
// Written from their descriptions in AMD UG974 (UltraScale libraries guide) and UG953 (7 series): a LUT gives bit
// {I5, .., I0} of INIT; CARRY4 and CARRY8 give O = S ^ carry and pass CI where S is set and DI where it is not.
`timescale 1 ns / 1 ps

module LUT1 #(parameter [1:0] INIT = 0) (output O, input I0);
    assign O = INIT[I0];
endmodule

module LUT2 #(parameter [3:0] INIT = 0) (output O, input I0, input I1);
    assign O = INIT[{I1, I0}];
endmodule

module LUT3 #(parameter [7:0] INIT = 0) (output O, input I0, input I1, input I2);
    assign O = INIT[{I2, I1, I0}];
endmodule

module LUT4 #(parameter [15:0] INIT = 0) (output O, input I0, input I1, input I2, input I3);
    assign O = INIT[{I3, I2, I1, I0}];
endmodule

module LUT5 #(parameter [31:0] INIT = 0) (output O, input I0, input I1, input I2, input I3, input I4);
    assign O = INIT[{I4, I3, I2, I1, I0}];
endmodule

module LUT6 #(parameter [63:0] INIT = 0) (output O, input I0, input I1, input I2, input I3, input I4, input I5);
    assign O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule

module INV (output O, input I);
    assign O = ~I;
endmodule

module MUXF7 (output O, input I0, input I1, input S);
    assign O = S ? I1 : I0;
endmodule

module MUXF8 (output O, input I0, input I1, input S);
    assign O = S ? I1 : I0;
endmodule

module MUXF9 (output O, input I0, input I1, input S);
    assign O = S ? I1 : I0;
endmodule

module CARRY4 (output [3:0] CO, output [3:0] O, input CI, input CYINIT, input [3:0] DI, input [3:0] S);
    wire first = CI | CYINIT;
    wire c0 = S[0] ? first : DI[0];
    wire c1 = S[1] ? c0 : DI[1];
    wire c2 = S[2] ? c1 : DI[2];
    wire c3 = S[3] ? c2 : DI[3];
    assign CO = {c3, c2, c1, c0};
    assign O = S ^ {c2, c1, c0, first};
endmodule

// The two halves are one chain; CI_TOP, which starts a second one in the mode DUAL_CY4, is not modelled.
module CARRY8 #(
    parameter CARRY_TYPE = "SINGLE_CY8"
) (output [7:0] CO, output [7:0] O, input CI, input CI_TOP, input [7:0] DI, input [7:0] S);
    CARRY4 first (.CO(CO[3:0]), .O(O[3:0]), .CI(CI), .CYINIT(1'b0), .DI(DI[3:0]), .S(S[3:0]));
    CARRY4 second (.CO(CO[7:4]), .O(O[7:4]), .CI(CO[3]), .CYINIT(1'b0), .DI(DI[7:4]), .S(S[7:4]));
endmodule

module FDRE #(
    parameter [0:0] INIT = 0,
    parameter [0:0] IS_C_INVERTED = 0,
    parameter [0:0] IS_D_INVERTED = 0,
    parameter [0:0] IS_R_INVERTED = 0
) (output reg Q, input C, input CE, input D, input R);
    initial Q = INIT;
    always @(posedge C) begin
        if (R ^ IS_R_INVERTED) Q <= 1'b0;
        else if (CE) Q <= D ^ IS_D_INVERTED;
    end
endmodule

module FDSE #(
    parameter [0:0] INIT = 1,
    parameter [0:0] IS_C_INVERTED = 0,
    parameter [0:0] IS_D_INVERTED = 0,
    parameter [0:0] IS_S_INVERTED = 0
) (output reg Q, input C, input CE, input D, input S);
    initial Q = INIT;
    always @(posedge C) begin
        if (S ^ IS_S_INVERTED) Q <= 1'b1;
        else if (CE) Q <= D ^ IS_D_INVERTED;
    end
endmodule

module SRL16E #(
    parameter [15:0] INIT = 0,
    parameter [0:0] IS_CLK_INVERTED = 0
) (output Q, input A0, input A1, input A2, input A3, input CE, input CLK, input D);
    reg [15:0] held = INIT;
    always @(posedge CLK) if (CE) held <= {held[14:0], D};
    assign Q = held[{A3, A2, A1, A0}];
endmodule

module SRLC32E #(
    parameter [31:0] INIT = 0,
    parameter [0:0] IS_CLK_INVERTED = 0
) (output Q, output Q31, input [4:0] A, input CE, input CLK, input D);
    reg [31:0] held = INIT;
    always @(posedge CLK) if (CE) held <= {held[30:0], D};
    assign Q = held[A];
    assign Q31 = held[31];
endmodule
