// Which inputs changed since you last asked: change_mask.py in Verilog, around the exported core.
//
//     python -m atomik_hdl.export core --width 16 -o delta_core.v

`default_nettype none

module change_mask #(
    parameter WIDTH = 16  // as exported
) (
    input  wire             clk,
    input  wire             rst,
    input  wire [WIDTH-1:0] inputs,
    input  wire             glance_valid,
    output wire             glance_ready,
    output wire             view_valid,
    output wire [WIDTH-1:0] view_inputs,
    output wire [WIDTH-1:0] view_changed,
    input  wire             view_ready
);
    reg [WIDTH-1:0] last = 0;
    always @(posedge clk)
        if (rst) last <= 0;
        else last <= inputs;

    delta_core core (
        .clk(clk),
        .rst(rst),
        .load_valid(1'b0),
        .load_payload({WIDTH{1'b0}}),
        .load_ready(),
        .accum_valid(1'b1),
        .accum_payload(last ^ inputs),
        .accum_ready(),  // always high
        .read_valid(1'b0),
        .read_ready(),
        .read_response_valid(),
        .read_response_payload_state(),
        .read_response_payload_accumulator(),
        .read_response_ready(1'b1),
        .swap_valid(glance_valid),
        .swap_payload_keep(1'b1),
        .swap_payload_value({WIDTH{1'b0}}),
        .swap_ready(glance_ready),
        .swap_response_valid(view_valid),
        .swap_response_payload_state(view_inputs),
        .swap_response_payload_accumulator(view_changed),
        .swap_response_ready(view_ready)
    );
endmodule
