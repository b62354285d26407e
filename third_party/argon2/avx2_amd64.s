//go:build amd64 && gc && !purego

#include "textflag.h"

// What rotates each word of 64 bits to the right by 24 and by 16: the places that its bytes come from.
DATA rotate24<>+0(SB)/8, $0x0201000706050403
DATA rotate24<>+8(SB)/8, $0x0a09080f0e0d0c0b
GLOBL rotate24<>(SB), NOPTR|RODATA, $16

DATA rotate16<>+0(SB)/8, $0x0100070605040302
DATA rotate16<>+8(SB)/8, $0x09080f0e0d0c0b0a
GLOBL rotate16<>(SB), NOPTR|RODATA, $16

// a += b + 2 * the lower half of a * the lower half of b
#define ADD(a, b)        \
	VPMULUDQ b, a, Y8;   \
	VPADDQ   b, a, a;    \
	VPADDQ   Y8, Y8, Y8; \
	VPADDQ   Y8, a, a

// GB of RFC 9106, section 3.6, on the four words of each of a, b, c and d. It needs Y8, and the rotations in Y14 and Y15.
#define GB(a, b, c, d)   \
	ADD(a, b);           \
	VPXOR   a, d, d;     \
	VPSHUFD $0xb1, d, d; \
	ADD(c, d);           \
	VPXOR   c, b, b;     \
	VPSHUFB Y14, b, b;   \
	ADD(a, b);           \
	VPXOR   a, d, d;     \
	VPSHUFB Y15, d, d;   \
	ADD(c, d);           \
	VPXOR   c, b, b;     \
	VPADDQ  b, b, Y8;    \
	VPSRLQ  $63, b, b;   \
	VPXOR   Y8, b, b

// P of RFC 9106, section 3.6, on two rows of a block, which lie in Y0 to Y3 and in Y4 to Y7. Between the columns and the
// diagonals of a row's 4 × 4 words, its second vector turns by one word, the third by two and the fourth by three.
#define PERMUTE_ROWS      \
	GB(Y0, Y1, Y2, Y3);   \
	GB(Y4, Y5, Y6, Y7);   \
	VPERMQ $0x39, Y1, Y1; \
	VPERMQ $0x39, Y5, Y5; \
	VPERMQ $0x4e, Y2, Y2; \
	VPERMQ $0x4e, Y6, Y6; \
	VPERMQ $0x93, Y3, Y3; \
	VPERMQ $0x93, Y7, Y7; \
	GB(Y0, Y1, Y2, Y3);   \
	GB(Y4, Y5, Y6, Y7);   \
	VPERMQ $0x93, Y1, Y1; \
	VPERMQ $0x93, Y5, Y5; \
	VPERMQ $0x4e, Y2, Y2; \
	VPERMQ $0x4e, Y6, Y6; \
	VPERMQ $0x39, Y3, Y3; \
	VPERMQ $0x39, Y7, Y7

// P of RFC 9106, section 3.6, on two columns of a block, of which each of Y0 to Y7 holds two words: the lower halves are one
// column and the upper ones the other. So the words 0 and 1 of a column's 4 × 4 lie in Y0, 2 and 3 in Y1, 4 and 5 in Y2, and so
// on; turned by one word, Y2 and Y3 are 5 and 6, and 7 and 4.
#define PERMUTE_COLUMNS        \
	GB(Y0, Y2, Y4, Y6);        \
	GB(Y1, Y3, Y5, Y7);        \
	VPALIGNR $8, Y2, Y3, Y9;   \
	VPALIGNR $8, Y3, Y2, Y10;  \
	VPALIGNR $8, Y7, Y6, Y11;  \
	VPALIGNR $8, Y6, Y7, Y12;  \
	GB(Y0, Y9, Y5, Y11);       \
	GB(Y1, Y10, Y4, Y12);      \
	VPALIGNR $8, Y10, Y9, Y2;  \
	VPALIGNR $8, Y9, Y10, Y3;  \
	VPALIGNR $8, Y11, Y12, Y6; \
	VPALIGNR $8, Y12, Y11, Y7

// func processBlockAVX2(out, in1, in2 *block, xor bool)
TEXT ·processBlockAVX2(SB), 0, $1056-25
	MOVQ           out+0(FP), DI
	MOVQ           in1+8(FP), SI
	MOVQ           in2+16(FP), DX
	MOVBLZX        xor+24(FP), BX
	LEAQ           31(SP), AX
	ANDQ           $~31, AX // what is kept between rows and columns, a block
	VBROADCASTI128 rotate24<>(SB), Y14
	VBROADCASTI128 rotate16<>(SB), Y15

	MOVQ $4, CX

rows:
	VMOVDQU 0(SI), Y0
	VMOVDQU 32(SI), Y1
	VMOVDQU 64(SI), Y2
	VMOVDQU 96(SI), Y3
	VMOVDQU 128(SI), Y4
	VMOVDQU 160(SI), Y5
	VMOVDQU 192(SI), Y6
	VMOVDQU 224(SI), Y7
	VPXOR   0(DX), Y0, Y0
	VPXOR   32(DX), Y1, Y1
	VPXOR   64(DX), Y2, Y2
	VPXOR   96(DX), Y3, Y3
	VPXOR   128(DX), Y4, Y4
	VPXOR   160(DX), Y5, Y5
	VPXOR   192(DX), Y6, Y6
	VPXOR   224(DX), Y7, Y7
	PERMUTE_ROWS
	VMOVDQA Y0, 0(AX)
	VMOVDQA Y1, 32(AX)
	VMOVDQA Y2, 64(AX)
	VMOVDQA Y3, 96(AX)
	VMOVDQA Y4, 128(AX)
	VMOVDQA Y5, 160(AX)
	VMOVDQA Y6, 192(AX)
	VMOVDQA Y7, 224(AX)
	ADDQ    $256, SI
	ADDQ    $256, DX
	ADDQ    $256, AX
	DECQ    CX
	JNZ     rows

	SUBQ $1024, SI
	SUBQ $1024, DX
	SUBQ $1024, AX
	MOVQ $4, CX

columns:
	VMOVDQA 0(AX), Y0
	VMOVDQA 128(AX), Y1
	VMOVDQA 256(AX), Y2
	VMOVDQA 384(AX), Y3
	VMOVDQA 512(AX), Y4
	VMOVDQA 640(AX), Y5
	VMOVDQA 768(AX), Y6
	VMOVDQA 896(AX), Y7
	PERMUTE_COLUMNS
	VPXOR   0(SI), Y0, Y0
	VPXOR   128(SI), Y1, Y1
	VPXOR   256(SI), Y2, Y2
	VPXOR   384(SI), Y3, Y3
	VPXOR   512(SI), Y4, Y4
	VPXOR   640(SI), Y5, Y5
	VPXOR   768(SI), Y6, Y6
	VPXOR   896(SI), Y7, Y7
	VPXOR   0(DX), Y0, Y0
	VPXOR   128(DX), Y1, Y1
	VPXOR   256(DX), Y2, Y2
	VPXOR   384(DX), Y3, Y3
	VPXOR   512(DX), Y4, Y4
	VPXOR   640(DX), Y5, Y5
	VPXOR   768(DX), Y6, Y6
	VPXOR   896(DX), Y7, Y7
	TESTL   BX, BX
	JZ      store
	VPXOR   0(DI), Y0, Y0
	VPXOR   128(DI), Y1, Y1
	VPXOR   256(DI), Y2, Y2
	VPXOR   384(DI), Y3, Y3
	VPXOR   512(DI), Y4, Y4
	VPXOR   640(DI), Y5, Y5
	VPXOR   768(DI), Y6, Y6
	VPXOR   896(DI), Y7, Y7

store:
	VMOVDQU Y0, 0(DI)
	VMOVDQU Y1, 128(DI)
	VMOVDQU Y2, 256(DI)
	VMOVDQU Y3, 384(DI)
	VMOVDQU Y4, 512(DI)
	VMOVDQU Y5, 640(DI)
	VMOVDQU Y6, 768(DI)
	VMOVDQU Y7, 896(DI)
	ADDQ    $32, SI
	ADDQ    $32, DX
	ADDQ    $32, DI
	ADDQ    $32, AX
	DECQ    CX
	JNZ     columns

	VZEROUPPER
	RET
