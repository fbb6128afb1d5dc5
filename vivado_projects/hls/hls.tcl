# One step of HLS in results/: L1AD_STEP is csynth, cosim or export.
# Commands of Vivado HLS (UG902) that Vitis HLS (UG1399) kept; the options are those of hls4ml's
# own script.

set root [file normalize ..]
source [file join $root scripts settings.tcl]

proc open_design {} {
    global root top part clock_ns uncertainty hls_source hls_bench bench_data vivado_hls
    open_project -reset hls
    set_top $top
    add_files [file join $root project $hls_source] -cflags "-std=c++0x"
    add_files -tb [file join $root project $hls_bench] -cflags "-std=c++0x -DRTL_SIM"
    foreach name $bench_data {
        add_files -tb [file join $root project $name]
    }
    open_solution -reset solution1
    if {$vivado_hls} {
        # Vivado HLS refuses to partition arrays of more than 1024 elements otherwise; Vitis HLS has
        # no such option.
        config_array_partition -maximum_size 4096
    }
    config_compile -name_max_length 80
    set_part $part
    config_schedule -enable_dsp_full_reg=false
    create_clock -period $clock_ns -name default
    set_clock_uncertainty $uncertainty default
}

proc run_step {step} {
    global root
    if {$step eq "csynth"} {
        open_design
        csynth_design
    } else {
        open_project hls
        open_solution solution1
        if {$step eq "cosim"} {
            cosim_design -rtl verilog -trace_level none
        } else {
            export_design -format ip_catalog
        }
    }
    close [open [file join $root results marks $step] w]
}

if {[catch {run_step $::env(L1AD_STEP)} message]} {
    puts "ERROR: \[l1ad\] $::env(L1AD_STEP): $message"
    exit 1
}
exit 0
