# One step of Vivado in results/, out of context: L1AD_STEP is synth or impl. Commands: UG835.

set root [file normalize ..]
source [file join $root scripts settings.tcl]

proc read_design {} {
    global root part rtl_sources rtl_generated top clock_ns clock_port
    create_project -in_memory -part $part
    set files {}
    foreach name $rtl_sources {
        lappend files [file join $root project $name]
    }
    foreach pattern $rtl_generated {
        foreach name [lsort [glob -directory [file join $root results] $pattern]] {
            lappend files $name
        }
    }
    if {[llength $files] == 0} {
        error "no Verilog: has C synthesis run?"
    }
    read_verilog -sv $files
    set constraints [file join $root results clock.xdc]
    set stream [open $constraints w]
    puts $stream "create_clock -name clk -period $clock_ns \[get_ports $clock_port\]"
    close $stream
    read_xdc -mode out_of_context $constraints
}

proc report_step {state} {
    global root top
    set folder [file join $root results vivado]
    file mkdir $folder
    report_utilization -file [file join $folder ${top}_utilization_$state.rpt]
    set by_instance [file join $folder ${top}_utilization_hierarchical_$state.rpt]
    report_utilization -hierarchical -file $by_instance
    report_timing_summary -file [file join $folder ${top}_timing_$state.rpt]
}

proc run_step {step} {
    global root part top
    set folder [file join $root results vivado]
    if {$step eq "synth"} {
        read_design
        synth_design -mode out_of_context -top $top -part $part
        report_step synth
        write_checkpoint -force [file join $folder synth.dcp]
    } else {
        open_checkpoint [file join $folder synth.dcp]
        opt_design
        place_design
        phys_opt_design
        route_design
        report_step routed
        report_power -file [file join $folder ${top}_power_routed.rpt]
        report_route_status -file [file join $folder ${top}_route_status.rpt]
        write_checkpoint -force [file join $folder routed.dcp]
    }
    close [open [file join $root results marks $step] w]
}

if {[catch {run_step $::env(L1AD_STEP)} message]} {
    puts "ERROR: \[l1ad\] $::env(L1AD_STEP): $message"
    exit 1
}
exit 0
