// A pad of ECP5, input or output. The model that Yosys ships also drives an input's pin, with high
// impedance, which a simulation without such a level can't tell from a short.
module TRELLIS_IO (inout B, input I, input T, output O);
    parameter DIR = "INPUT";
    generate
        if (DIR == "INPUT")
            assign O = B;
        else if (DIR == "OUTPUT")
            assign B = I;
        else
            TRELLIS_IO_DIRECTION_WITHOUT_A_MODEL error();
    endgenerate
endmodule
