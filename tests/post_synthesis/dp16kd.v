// Block RAM of ECP5 in the two modes that the boards use, after Lattice's FPGA-TN-02204 ("ECP5 and
// ECP5-5G Memory Usage Guide"): Yosys ships its ports, and no model.
//
// 9 bits a word, 2048 words: port A writes, port B reads. 36 bits a word, 512 words: the same, in
// lanes of 9 bits that the low bits of A's address enable, DIB and DOB being the upper half.
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

    localparam WIDE = DATA_WIDTH_A == 36;
    localparam WIDTH = WIDE ? 36 : 9;
    localparam LOW = WIDE ? 5 : 3;

    generate
        if ((DATA_WIDTH_A != 9 && DATA_WIDTH_A != 36) || DATA_WIDTH_A != DATA_WIDTH_B
                || CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
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
    wire [3:0] lanes = WIDE ? ada[3:0] : 4'b0001;
    wire write = CEA & WEA & ~CSA2 & ~CSA1 & ~CSA0;
    wire meet = write & ada[13:LOW] == adb[13:LOW];

    reg [WIDTH-1:0] memory [0:(1 << (14 - LOW)) - 1];
    reg [WIDTH-1:0] q;
    integer i;
    initial begin
        q = 0;
        for (i = 0; i < 1 << (14 - LOW); i = i + 1)
            memory[i] = 0;
    end
    always @(posedge CLKA)
        for (i = 0; i < WIDTH / 9; i = i + 1)
            if (write & lanes[i])
                memory[ada[13:LOW]][9*i +: 9] <= di[9*i +: 9];
    always @(posedge CLKB)
        if (RSTB)
            q <= 0;
        else if (CEB & ~CSB2 & ~CSB1 & ~CSB0)
            q <= WEB ? {WIDTH{1'bx}} : memory[adb[13:LOW]] ^ {WIDTH{meet}};

    // Of the narrow modes port B alone reads.
    wire [35:0] out = WIDE ? q : {q, 18'bx};
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
            DOB4, DOB3, DOB2, DOB1, DOB0, DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10,
            DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = out;
endmodule
