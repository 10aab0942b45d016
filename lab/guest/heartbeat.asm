; A guest that fits in one boot sector. It proves from outside, on the shared disk itself, when it
; ran: about twice a second it writes one record to its own disk. (The BIOS waits for the disk with
; the processor busy: where twenty emulated guests share two cores, each further write is felt.)
;
; Disk layout, in sectors of 512 bytes:
;   0                      this boot sector
;   1                      superblock: "HBS1", number of boots so far (dword)
;   64 + 1024 * lane ...   lane = boot number modulo LANES; each boot writes only to its own lane,
;                          so that two that run at once cannot overwrite each other's evidence
;     + 0                  the lane's first record, kept
;     + 1 .. + 1023        the later records, as a ring
; Record: "HBT1", boot number (dword), time stamp counter at boot (qword), sequence number from 0
; (dword), BIOS ticks since midnight (dword, 18.2065 a second), RTC hour, minute, second (BCD).

bits 16
org 0x7c00

SUPERBLOCK      equ 0x8000
RECORD          equ 0x8200
LANES           equ 30
LANE_START      equ 64
LANE_SECTORS    equ 1024
TICKS           equ 0x046c      ; in the BIOS data area
TICKS_A_BEAT    equ 9

start:
        cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov [drive], dl

        mov di, RECORD          ; an empty record
        mov cx, 256
        rep stosw
        mov dword [RECORD], 'HBT1'
        rdtsc
        mov [RECORD + 8], eax
        mov [RECORD + 12], edx

        mov dword [packet.sector], 1
        mov word [packet.buffer], SUPERBLOCK
        mov ah, 0x42
        call disk
        cmp dword [SUPERBLOCK], 'HBS1'
        je .counted
        mov dword [SUPERBLOCK], 'HBS1'
        mov dword [SUPERBLOCK + 4], 0
.counted:
        mov eax, [SUPERBLOCK + 4]
        mov [RECORD + 4], eax
        inc dword [SUPERBLOCK + 4]
        mov ah, 0x43
        call disk

        mov eax, [RECORD + 4]
        xor edx, edx
        mov ebx, LANES
        div ebx
        shl edx, 10             ; * LANE_SECTORS
        add edx, LANE_START
        mov [lane], edx
        mov word [packet.buffer], RECORD

beat:
        mov ah, 0x02            ; RTC time
        int 0x1a
        mov [RECORD + 24], ch
        mov [RECORD + 25], cl
        mov [RECORD + 26], dh
        mov eax, [TICKS]
        mov [RECORD + 20], eax

        mov eax, [RECORD + 16]  ; sector in the lane: 0, then 1..1023 around
        test eax, eax
        jz .place
        dec eax
        xor edx, edx
        mov ebx, LANE_SECTORS - 1
        div ebx
        lea eax, [edx + 1]
.place:
        add eax, [lane]
        mov [packet.sector], eax
        mov ah, 0x43
        call disk
        inc dword [RECORD + 16]

        mov ebx, [TICKS]
.wait:
        hlt
        mov eax, [TICKS]
        sub eax, ebx            ; unsigned: also ends the wait when midnight resets the count
        cmp eax, TICKS_A_BEAT
        jb .wait
        jmp beat

disk:                           ; ah: 0x42 read, 0x43 write one sector as in packet
        mov dl, [drive]
        mov si, packet
        xor al, al
        int 0x13
        ret

drive   db 0
        align 4
lane    dd 0
packet:
        db 16, 0
        dw 1
.buffer dw 0
        dw 0
.sector dd 1
        dd 0

        times 510 - ($ - $$) db 0
        dw 0xaa55
