// Block RAM of ECP5 in the modes that the boards use, after Lattice's FPGA-TN-02204 ("ECP5 and
// ECP5-5G Memory Usage Guide"): Yosys ships its ports, and no model.
//
// Port A writes, port B reads, words of 1, 2, 4, 9, 18 or 36 bits; what of the address is below a
// word is not looked at. In the two widest modes the lowest bits of A's address enable the lanes of
// 9 bits of a write. The widest mode has its upper half on DIB and DOB, and its lower one on DOA.
//
// An output register takes what was read one clock later, where OCEB is high. In the widest mode
// there is none: nothing here needs it.
//
// A read that meets a write of the same word has no defined result: here it is wrong on purpose, so
// that a design that relies on it does not pass.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
    input DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
    output DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
    input DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
    output DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter GSR = "ENABLED";

    localparam WIDTH = DATA_WIDTH_A;
    localparam WIDE = WIDTH == 36;
    localparam LOW = WIDE ? 5 : WIDTH == 18 ? 4 : WIDTH == 9 ? 3 : WIDTH / 2;
    localparam LANES = WIDE ? 4 : WIDTH == 18 ? 2 : 1;
    localparam LANE = WIDTH / LANES;
    localparam REGISTERED = REGMODE_B == "OUTREG";

    generate
        if ((WIDTH != 1 && WIDTH != 2 && WIDTH != 4 && WIDTH != 9 && WIDTH != 18 && WIDTH != 36)
                || DATA_WIDTH_B != WIDTH || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
                || (REGISTERED ? WIDE : REGMODE_B != "NOREG") || REGMODE_A != "NOREG")
            DP16KD_MODE_WITHOUT_A_MODEL error();
    endgenerate

    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2,
                       ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2,
                       ADB1, ADB0};
    wire [35:0] di = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7,
                      DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13,
                      DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
                      DIA0};
    wire [3:0] lanes = LANES == 1 ? 4'b0001 : ada[3:0];
    wire write = CEA & WEA & ~CSA2 & ~CSA1 & ~CSA0;
    wire meet = write & ada[13:LOW] == adb[13:LOW];

    reg [WIDTH-1:0] memory [0:(1 << (14 - LOW)) - 1];
    reg [WIDTH-1:0] q;
    reg [WIDTH-1:0] r;
    integer i;
    initial begin
        q = 0;
        r = 0;
        for (i = 0; i < 1 << (14 - LOW); i = i + 1)
            memory[i] = 0;
    end
    always @(posedge CLKA)
        for (i = 0; i < LANES; i = i + 1)
            if (write & lanes[i])
                memory[ada[13:LOW]][LANE*i +: LANE] <= di[LANE*i +: LANE];
    always @(posedge CLKB)
        if (RSTB)
            q <= 0;
        else if (CEB & ~CSB2 & ~CSB1 & ~CSB0)
            q <= WEB ? {WIDTH{1'bx}} : memory[adb[13:LOW]] ^ {WIDTH{meet}};
    always @(posedge CLKB)
        if (RSTB)
            r <= 0;
        else if (OCEB)
            r <= q;

    // Of the other modes port B alone reads.
    wire [WIDTH-1:0] o = REGISTERED ? r : q;
    wire [35:0] out = WIDE ? o : {o, 18'bx};
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
            DOB4, DOB3, DOB2, DOB1, DOB0, DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10,
            DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = out;
endmodule
