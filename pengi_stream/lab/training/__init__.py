"""The recipe that makes `mini`, step by step: `pengi-stream train --help`."""
