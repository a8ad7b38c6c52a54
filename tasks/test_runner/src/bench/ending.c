/* Ends the machine: reboot(2) with LINUX_REBOOT_CMD_POWER_OFF, or _RESTART if so compiled. */
#ifdef RESTART
#define COMMAND 0x01234567L
#else
#define COMMAND 0x4321fedcL
#endif

void _start(void)
{
#if defined(__x86_64__)
    __asm__ volatile("syscall"
                     :
                     : "a"(169L), "D"(0xfee1deadL), "S"(672274793L), "d"(COMMAND)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = 142;
    register long magic1 __asm__("x0") = 0xfee1deadL;
    register long magic2 __asm__("x1") = 672274793L;
    register long command __asm__("x2") = COMMAND;
    __asm__ volatile("svc 0" : : "r"(number), "r"(magic1), "r"(magic2), "r"(command) : "memory");
#endif
    for (;;)
        ;
}
