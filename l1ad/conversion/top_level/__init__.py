"""The trigger's top level of a project: written once as a record, generated as Verilog and as HLS C++."""
